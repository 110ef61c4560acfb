"""The tables and figures that come with the project are those of the run records that come with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.cli.reproduce import SUFFIXES
from bench.experiments.scale import DEFAULT_SCALE
from bench.files.hashing import content_hash
from bench.files.store import KEY, MADE, damage, read_json
from bench.metrics import Metric, per_user
from bench.registry import registry
from bench.report.experiment_report import experiment_at, report_of
from bench.report.formats.render import render_table
from bench.runs.sharing.adapter_archives import current_objectives
from bench.runs.store import RunStore
from tests.support.shipped_numbers import differences_of_csv, differences_of_json, differences_of_text

ROOT = Path(__file__).parents[1]
MEASURED = RunStore(ROOT / "results" / "measured")
TABLES = sorted(path.stem for path in (ROOT / "results" / "tables").glob("*.json"))
COMPARED = {"json": differences_of_json, "csv": differences_of_csv}
"""How a format is compared that has all digits."""

pytestmark = pytest.mark.numbers


@pytest.mark.parametrize("name", TABLES)
def test_a_shipped_table_is_what_the_shipped_records_give(name: str) -> None:
    table = report_of(experiment_at(name, DEFAULT_SCALE.name, registry()), MEASURED.results_dir, registry()).table
    for output_format, suffix in SUFFIXES.items():
        shipped = ROOT / "results" / "tables" / f"{name}.{suffix}"
        compared = COMPARED.get(output_format, differences_of_text)
        assert compared(render_table(table, output_format), shipped.read_text(encoding="utf-8")) == []


def test_a_records_metrics_are_those_of_its_ranks() -> None:
    records = MEASURED.records()
    assert records
    for record in records:
        _, ranks = MEASURED.ranks(record.id)
        for name, summary in record.metrics.items():
            values = per_user(ranks, Metric.parse(name), record.n_candidates)
            assert values.mean() == pytest.approx(summary["value"], rel=1e-9)


def test_shipped_adapters_are_those_of_shipped_runs_and_of_todays_code() -> None:
    folders = sorted((MEASURED.results_dir / "adapters").iterdir())
    used = {report.id for record in MEASURED.records() for report in record.fit.adapters.values()}
    current = current_objectives()
    for folder in folders:
        key = read_json(folder / MADE)[KEY]
        assert damage(folder) is None
        assert folder.name == content_hash(key)
        assert folder.name in used
        assert key["objective"] in current, f"{folder.name} is never found by today's code: train it again or remove it"


def test_tables_in_the_readme_are_the_shipped_ones() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    shipped = [rows_of(name) for name in TABLES]
    starts = [number for number, line in enumerate(readme) if "NDCG@" in line and line.startswith("| Method")]
    assert starts
    for start in starts:
        assert any(readme[start : start + len(rows)] == rows for rows in shipped), readme[start]


def test_the_page_of_results_shows_every_shipped_table_and_figure() -> None:
    page = (ROOT / "docs" / "pages" / "results.md").read_text(encoding="utf-8")
    assert sorted(re.findall("<!-- bench: result (.+) -->", page)) == TABLES
    drawn = [name for name in TABLES if experiment_at(name, DEFAULT_SCALE.name, registry()).figure is not None]
    assert sorted(re.findall("<!-- bench: figure (.+) -->", page)) == drawn


def rows_of(name: str) -> list[str]:
    shipped = (ROOT / "results" / "tables" / f"{name}.md").read_text(encoding="utf-8").splitlines()
    return [line for line in shipped if line.startswith("|")]
