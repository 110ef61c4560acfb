"""Tables through a real LaTeX; BENCH_KEEP_PDF=FOLDER keeps the PDF, to be looked at."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow
from bench.registry import Registry
from bench.report.formats.latex import to_latex
from bench.report.formats.latex_pdf import compile_pdf, complaints, document, main, why_not
from bench.report.tables.build import build_table
from bench.report.tables.options import TableOptions
from bench.report.tables.presented import presented
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

TABLES = Path(__file__).parents[3] / "results" / "tables"
NO_LATEX, NO_SIUNITX = why_not(), why_not(("booktabs", "multirow", "siunitx"))
needs_latex = pytest.mark.skipif(NO_LATEX is not None, reason=str(NO_LATEX))
needs_siunitx = pytest.mark.skipif(NO_SIUNITX is not None, reason=str(NO_SIUNITX))
AWKWARD = r"100 % of \textbf{A}_B & #1 $x ~ ^ <|> [a] * -- “q” 'r' α→β ± …"
Save = Callable[..., RunRecord]


@pytest.fixture
def experiment(save_run: Save) -> Experiment:
    """Six methods, two datasets, two settings, of which one has few users."""
    methods = [f"method-{number}" for number in range(6)]
    for number, method in enumerate(methods):
        for dataset in ("beauty", "toys"):
            for setting, n_users in (("warm", 500), ("cold", 52)):
                for seed in (0, 1):
                    ranks = np.random.default_rng([number, seed]).integers(0, 3 + 3 * number, n_users)
                    toy = number == 5
                    save_run(method, ranks.tolist(), dataset=dataset, setting=setting, seed=seed, toy=toy)
    rows = tuple(
        ExperimentRow(method, f"Method {method[-1]}", group="Sequential" if number < 3 else AWKWARD)
        for number, method in enumerate(methods)
    )
    return Experiment(
        name="toy_table",
        caption=AWKWARD,
        rows=rows,
        datasets=(ExperimentDataset("beauty", "Beauty & more"), ExperimentDataset("toys", "Toys_2")),
        settings=("warm", "cold"),
        metrics=("ndcg@1", "mrr@10"),
    )


@pytest.fixture
def toy_tables(experiment: Experiment, run_store: RunStore) -> list[str]:
    """The experiment with stars, with letters, in percent, over seeds, narrow, and with ever more notes."""
    one_column: dict[str, Any] = {"datasets": experiment.datasets[:1], "settings": ("cold",)}
    variants = [
        experiment,
        replace(experiment, name="letters", star_style="letters", percent=True),
        replace(experiment, name="seeds", seeds=(0, 1)),
        replace(experiment, name="narrow", metrics=("ndcg@1",), **one_column),
        replace(experiment, name="wide", metrics=("hit@1", "hit@3", "hit@10", "mrr@10"), percent=True, seeds=(0, 1)),
        replace(experiment, name="letters-over-seeds", star_style="letters", seeds=(0, 1), settings=("warm",)),
    ]
    summed = TableOptions(
        ours=("Method 0", "Method 2"), improvement="both", mean_rank=True, percent=True, notes="short"
    )
    tables = [build_table(variant, run_store, Registry({}, {})) for variant in variants]
    tables += [
        build_table(replace(one, name=f"{one.name}-summed"), run_store, Registry({}, {}), summed)
        for one in (variants[0], variants[2], variants[3])
    ]
    noted = [replace(tables[3], name=f"notes-{number}", footnotes=(AWKWARD * 8,) * number) for number in (6, 40)]
    return [*map(to_latex, map(presented, tables)), *map(to_latex, noted)]


@needs_latex
def test_every_table_compiles_without_a_complaint(toy_tables: list[str], tmp_path: Path) -> None:
    shipped = [path.read_text(encoding="utf-8") for path in sorted(TABLES.glob("*.tex"))]
    made = compile_pdf(document(shipped + toy_tables), tmp_path)
    if folder := os.environ.get("BENCH_KEEP_PDF"):
        shutil.copy(made.pdf, folder)
    assert made.pdf.read_bytes().startswith(b"%PDF")
    assert complaints(made.log) == []
    # a page that refers to them and one a table; the most notes alone take more
    fewer, all_pages = (n_pages(compile_pdf(document(some), tmp_path).log) for some in (toy_tables[:-1], toy_tables))
    assert fewer <= len(toy_tables)
    assert all_pages > fewer + 1


@needs_siunitx
def test_every_table_compiles_with_siunitx(experiment: Experiment, run_store: RunStore, tmp_path: Path) -> None:
    one_column: dict[str, Any] = {"datasets": experiment.datasets[:1], "settings": ("cold",), "seeds": (0, 1)}
    variants = [
        experiment,
        replace(experiment, name="letters", star_style="letters"),
        replace(experiment, name="narrow", **one_column),
        replace(experiment, name="seeds", seeds=(0, 1), percent=True),
    ]
    options = TableOptions(align="siunitx", improvement="both", mean_rank=True, notes="short")
    tables = [build_table(variant, run_store, Registry({}, {}), options) for variant in variants]
    made = compile_pdf(document([table.render("latex") for table in tables]), tmp_path)
    if folder := os.environ.get("BENCH_KEEP_PDF"):
        shutil.copy(made.pdf, Path(folder) / "siunitx.pdf")
    assert complaints(made.log) == []
    assert n_pages(made.log) == len(tables) + 1


def n_pages(log: str) -> int:
    return int(re.findall(r"Output written on .*?\((\d+) pages", log.replace("\n", ""))[-1])


@needs_latex
def test_a_column_too_wide_and_a_label_that_is_nowhere_are_complained_of(tmp_path: Path) -> None:
    wide = r"\begin{tabular}{l}" + "x" * 200 + r"\end{tabular} See \ref{tab:nowhere}."
    found = "\n".join(complaints(compile_pdf(document([wide]), tmp_path).log))
    assert "too wide" in found
    assert "`tab:nowhere' on page 1 undefined" in found


@needs_latex
def test_what_latex_cannot_read_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="Undefined control sequence"):
        compile_pdf(document([r"\nosuchcommand"]), tmp_path)


@needs_latex
def test_the_command_writes_one_pdf(toy_tables: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "toy.tex"
    table.write_text(toy_tables[0], encoding="utf-8")
    main([str(tmp_path / "new" / "all.pdf"), str(table)])
    assert (tmp_path / "new" / "all.pdf").stat().st_size > 1000
    assert capsys.readouterr().out == f"Wrote {tmp_path}/new/all.pdf.\n"


def test_a_document_loads_what_tables_need_and_asks_for_every_label() -> None:
    text = document([r"\label{tab:a}", r"\label{tab:b}"])
    assert r"\usepackage{booktabs}" in text
    assert r"\usepackage{multirow}" in text
    assert r"\ref{tab:a}, \ref{tab:b}" in text
    assert "siunitx" not in text
    assert r"\usepackage{siunitx}" in document([r"% needs \usepackage{booktabs,multirow,siunitx}"])


def test_lines_that_are_hardly_too_wide_are_let_pass() -> None:
    log = "Overfull \\hbox (0.4pt too wide) in paragraph\nOverfull \\hbox (3.0pt too wide) in paragraph\nfine"
    assert complaints(log) == ["Overfull \\hbox (3.0pt too wide) in paragraph"]
