from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.table import table
from bench.errors import BenchError
from bench.plugin import FitReport, TrainingReport
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]


@pytest.fixture
def invoke(run_store: RunStore) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        return CliRunner().invoke(table, [*words, "--results-dir", str(run_store.results_dir)])

    return run


def test_stored_runs_are_shown_without_an_experiment(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", [0, 0, 3])
    save_run("random", [9, 0, 3])
    result = invoke("--dataset", "beauty", "--setting", "warm", "--metric", "NDCG@1", "--format", "json")
    content = json.loads(result.stdout)
    assert [row["label"] for row in content["rows"]] == ["bpr", "random"]
    assert [row["cells"][0]["value"] for row in content["rows"]] == pytest.approx([2 / 3, 1 / 3])


def test_an_experiment_without_runs_lists_the_commands(invoke: Callable[..., Result]) -> None:
    result = invoke("demo")
    assert result.exit_code == 0
    assert "bench run --method random --dataset ml-100k-drama --setting warm" in result.stdout
    assert "–" in result.stdout


def test_output_goes_to_a_file_and_leaves_standard_output_empty(
    invoke: Callable[..., Result], save_run: Save, tmp_path: Path
) -> None:
    save_run("bpr", [0, 0, 3])
    target = tmp_path / "tables" / "table.tex"
    result = invoke("--dataset", "beauty", "--setting", "warm", "--format", "latex", "--output", str(target))
    assert result.stdout == ""
    assert target.read_text().startswith(r"\begin{table}")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "Give either the name of an experiment, or both --dataset and --setting"),
        (["--dataset", "beauty"], "Give either"),
        (["demo", "--dataset", "beauty", "--setting", "warm"], "Give either"),
        (["--published"], "--published needs the name of an experiment"),
        (["--full-ranking"], "--full-ranking needs the name of an experiment"),
        (["demo", "--published", "--full-ranking"], "give either --published or --full-ranking"),
        (["demo", "--audit", "--full-ranking"], "give either --audit or --full-ranking"),
        (["reccocktail-table4", "--full-ranking"], "only shows dataset statistics"),
        (["--figure"], "--figure needs the name of an experiment"),
        (["demo", "--figure"], r"'demo' does not define a plot \(key 'figure'\)"),
        (["weaverec-figure8", "--figure"], "No runs of 'weaverec-figure8' are stored"),
        (["demo", "--figure", "--published"], "--published and --figure are different outputs"),
        (["--dataset", "beauty", "--setting", "warm", "--scale", "smoke"], "--scale applies to experiments"),
        (["--audit", "wevrec"], r"Unknown published table 'wevrec'\. Did you mean weaverec"),
        (["demo", "--published"], r"does not list published tables \(key 'published'\)"),
        (["dem"], r"Unknown experiment 'dem'\. Did you mean demo\?"),
        (["--dataset", "beauty", "--setting", "warm"], "No runs on dataset 'beauty'"),
        (["--dataset", "beauty", "--setting", "warm", "--metric", "ndgc@3"], r"Unknown metric 'ndgc@3'.*ndcg@3"),
    ],
)
def test_a_mistake_is_one_line(invoke: Callable[..., Result], words: list[str], complaint: str) -> None:
    result = invoke(*words)
    assert isinstance(result.exception, BenchError)
    with pytest.raises(BenchError, match=complaint):
        raise result.exception


def test_printed_figures_stand_beside_ours(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", [0, 0, 3, 9])
    result = invoke("main-warm-cold", "--published")
    line = next(line for line in result.stdout.splitlines() if line.startswith("BPR-MF"))
    assert line.split()[:9] == ["BPR-MF", "beauty,", "warm", "NDCG@1", "0.5000", "0.1630", "+0.3370", "at", "or"]


def test_help_has_worked_examples(invoke: Callable[..., Result]) -> None:
    assert invoke("--help").stdout.count("\n    bench table ") == 9


def test_a_table_imports_no_torch(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", [0, 0, 3])
    save_run("random", [9, 0, 3])
    words = ["--dataset", "beauty", "--setting", "warm", "--results-dir", str(run_store.results_dir)]
    code = f"import sys; from bench.cli.table import table; table({words!r}, standalone_mode=False); " + (
        "sys.exit('torch' in sys.modules or 'scipy.stats' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def one_point(save_run: Save) -> None:
    save_run(
        "weaverec",
        [0, 3, 5],
        sources=("clothing", "health", "toys"),
        backbone="minilm",
        overrides={"target_weight": 0.5},
    )


def test_a_figure_is_drawn_beside_the_tables(
    invoke: Callable[..., Result], save_run: Save, run_store: RunStore
) -> None:
    one_point(save_run)
    result = invoke("weaverec-figure8", "--figure")
    assert result.exit_code == 0, result.stdout
    folder = run_store.results_dir / "tables"
    assert {path.name for path in folder.iterdir()} == {"weaverec-figure8.pdf", "weaverec-figure8.png"}
    assert result.stdout == ""


def test_a_figure_with_full_ranking_is_a_file_of_its_own(
    invoke: Callable[..., Result], save_run: Save, run_store: RunStore
) -> None:
    one_point(save_run)
    assert invoke("weaverec-figure8", "--figure", "--full-ranking").exit_code == 0
    names = {path.name for path in (run_store.results_dir / "tables").iterdir()}
    assert names == {"weaverec-figure8-full-ranking.pdf", "weaverec-figure8-full-ranking.png"}


def test_a_figure_goes_to_the_file_asked_for(invoke: Callable[..., Result], save_run: Save, tmp_path: Path) -> None:
    one_point(save_run)
    target = tmp_path / "own" / "sweep.png"
    assert invoke("weaverec-figure8", "--figure", "--output", str(target)).exit_code == 0
    assert [path.name for path in target.parent.iterdir()] == ["sweep.png"]
    refused = invoke("weaverec-figure8", "--figure", "--output", str(tmp_path / "sweep.jpg"))
    assert str(refused.exception) == "A plot is written as .pdf or .png, not as 'sweep.jpg'."


def test_the_audit_lists_the_impossible_cells(invoke: Callable[..., Result]) -> None:
    result = invoke("--audit")
    assert result.exit_code == 0
    assert "WeaveRec: 24 of 113 cells are inconsistent." in result.stdout
    assert "RecCocktail: none of 129 cells are inconsistent." in result.stdout


def test_a_table_of_another_scale_has_its_own_runs_and_says_so(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("bpr", [0, 0, 3])
    save_run("bpr", [0, 9], limit_queries=10, train_share=0.02, limit_validation=20)
    result = invoke("main-warm-cold", "--scale", "smoke")
    line = next(line for line in result.stdout.splitlines() if line.startswith("BPR-MF"))
    assert "0.5000" in line
    assert "Scale smoke: at most 10 test queries per column" in result.stdout
    assert "bench reproduce main-warm-cold --scale smoke" in result.stdout
    assert result.stdout.startswith("main-warm-cold-smoke:")


@pytest.mark.parametrize("words", [[], ["--scale", "smoke"], ["--figure"], ["--format", "latex"]])
def test_an_experiments_table_and_figure_import_no_torch(run_store: RunStore, save_run: Save, words: list[str]) -> None:
    one_point(save_run)
    arguments = ["weaverec-figure8", *words, "--results-dir", str(run_store.results_dir)]
    heavy = {"torch", "transformers", "pandas", *(() if "--figure" in words else ("matplotlib",))}
    code = (
        f"import sys; from bench.cli.table import table; table({arguments!r}, standalone_mode=False); "
        f"sys.exit(', '.join({heavy!r} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")


def test_full_ranking_stands_beside_the_lists_of_any_experiment(invoke: Callable[..., Result], save_run: Save) -> None:
    save_run("popularity", [0, 0, 3], family="control")
    save_run("popularity", [9, 0, 300], family="control", catalogue={"n_items": 500.0}, candidates_hash="rule")
    result = invoke("baselines-warm", "--full-ranking", "--format", "json")
    content = json.loads(result.stdout)
    assert [group["title"] for group in content["groups"]][:2] == [
        "Beauty, warm, 29 negatives",
        "Beauty, warm, full catalogue",
    ]
    row = {row["method"]: row for row in content["rows"]}["popularity"]
    assert [row["cells"][column]["value"] for column in (0, 4)] == pytest.approx([2 / 3, 1 / 3])
    assert "bench run --method bpr --dataset beauty --setting warm --full-ranking" in content["missing"]


def test_strict_refuses_a_table_whose_training_had_not_converged(invoke: Callable[..., Result], save_run: Save) -> None:
    words = ("--dataset", "beauty", "--setting", "warm", "--strict")
    save_run("random", [9, 0, 3])
    assert invoke(*words).exit_code == 0
    save_run("bpr", [0, 0, 3], fit=FitReport(training=TrainingReport(epochs=2, ended="rising")))
    refused = invoke(*words)
    assert isinstance(refused.exception, BenchError)
    assert "Not trained to convergence in table 'beauty-warm': bpr (rising)." in str(refused.exception)
    assert refused.stdout == ""


@pytest.fixture
def two_runs(save_run: Save) -> None:
    save_run("bpr", [0] * 40 + [20] * 160)
    save_run("random", [0] * 10 + [20] * 190)


STORED = ("--dataset", "beauty", "--setting", "warm")


@pytest.mark.usefixtures("two_runs")
def test_options_change_what_a_table_shows(invoke: Callable[..., Result]) -> None:
    words = ("--percent", "--precision", "1", "--columns", "hit@1,MRR@5", "--ours", "BPR", "--improvement", "both")
    text = invoke(*STORED, *words, "--mean-rank", "--notes", "short", "--caption", "Mine.").stdout
    assert text.startswith("beauty-warm: Mine. Scores in percent. (1) best, (2) second. *: ours, significantly better")
    assert "Queries and candidates" not in text
    rows = {
        line.split()[0]: line.split() for line in text.splitlines() if line.startswith(("bpr", "random", "Improv."))
    }
    assert rows["bpr"] == ["bpr", "20.0", "(1)*", "20.0", "(1)*", "1.0", "–"]
    assert rows["random"] == ["random", "5.0", "(2)", "5.0", "(2)", "2.0", "+300.0"]
    assert rows["Improv."] == ["Improv.", "(%)", "+300.0", "+300.0"]


@pytest.mark.usefixtures("two_runs")
def test_latex_has_the_label_and_the_columns_of_the_options(invoke: Callable[..., Result]) -> None:
    words = ("--format", "latex", "--label", "tab:main", "--align", "siunitx", "--notes", "none")
    text = invoke(*STORED, *words).stdout
    assert r"\label{tab:main}" in text
    assert r"\usepackage{booktabs,multirow,siunitx}" in text
    assert "S[table-format=1.4" in text
    assert text.startswith("% All stored runs on beauty, warm. One positive")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((*STORED, "--align", "siunitx"), "--align has no effect in --format text: remove it, or use --format latex."),
        ((*STORED, "--format", "csv", "--notes", "none"), "--notes has no effect in --format csv"),
        ((*STORED, "--columns", "toys"), "Unknown metric 'toys'"),
        ((*STORED, "--columns", "ndcg@1", "--metric", "mrr@5"), "both choose metrics here"),
        ((*STORED, "--marks", "ours"), "--marks ours needs a row that is ours"),
        ((*STORED, "--ours", "sasrec"), "--ours sasrec: the table has no row of this label or method"),
        (("baselines-warm", "--published", "--mean-rank"), "--mean-rank has no effect with --published: remove it."),
        (("--audit", "--percent"), "--percent has no effect with --audit: remove it."),
        (("weaverec-table5", "--percent"), "shows statistics, not scores: remove --percent"),
    ],
)
@pytest.mark.usefixtures("two_runs")
def test_options_without_effect_are_refused(
    invoke: Callable[..., Result], words: tuple[str, ...], complaint: str
) -> None:
    result = invoke(*words)
    assert isinstance(result.exception, BenchError)
    assert complaint in str(result.exception)
