from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.data.counts import kept_statistics, statistics_file
from bench.errors import BenchError
from bench.experiments.experiment import Experiment, ExperimentDataset, PublishedReference
from bench.files.store import write_json
from bench.report.formats.render import RENDERERS, render_table
from bench.report.papers.printed_beside_ours import counts_beside_published, render_beside
from bench.report.tables.counts import counts_table

COUNTED = {"users": 22363, "items": 12101, "interactions": 198502, "density_percent": 0.0734, "notes": ["cut at 5"]}


def described(**fields: Any) -> Experiment:
    facts: dict[str, Any] = {
        "name": "counts",
        "caption": "Counts.",
        "rows": (),
        "datasets": (ExperimentDataset("beauty", "Beauty"), ExperimentDataset("video-games", "Video Games")),
        "settings": (),
        "metrics": (),
        "statistics": ("users", "density_percent"),
        "published": (PublishedReference("reccocktail", "table4", "warm"),),
        **fields,
    }
    return Experiment(**facts)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_json(statistics_file("beauty", tmp_path), COUNTED)
    return tmp_path


def test_a_row_is_a_dataset_and_one_that_was_not_counted_shows_dashes(results: Path) -> None:
    table = counts_table(described(), results)
    assert [row.label for row in table.rows] == ["Beauty", "Video Games"]
    assert [cell.text for cell in table.rows[0].cells] == ["22,363", "0.0734"]
    assert [cell.text for cell in table.rows[1].cells] == ["–", "–"]
    assert table.missing == ("bench reproduce counts",)
    assert table.footnotes == ("Beauty: cut at 5.",)
    assert kept_statistics("toys", results) is None


@pytest.mark.parametrize("output_format", RENDERERS)
def test_every_format_prints_the_counts(results: Path, output_format: str) -> None:
    text = render_table(counts_table(described(), results), output_format)
    assert "22,363" in text or "22363" in text
    assert "Density" in text or "density_percent" in text


def test_columns_of_counts_stand_under_no_group_and_rows_are_called_datasets(results: Path) -> None:
    table = counts_table(described(), results)
    assert "| Dataset | Users | Density (%) |\n" in render_table(table, "markdown")
    assert "\n\\toprule\nDataset & Users & Density (\\%) \\\\\n\\midrule\n" in render_table(table, "latex")
    assert "<tr><th>Dataset</th><th>Users</th><th>Density (%)</th></tr>" in render_table(table, "html")


def test_printed_counts_stand_beside_ours(results: Path) -> None:
    experiment = described()
    cells = counts_beside_published(experiment, counts_table(experiment, results))
    assert [(cell.dataset, cell.metric, cell.printed, cell.verdict) for cell in cells] == [
        ("beauty", "users", 22363.0, "equal"),
        ("beauty", "density_percent", 0.0734, "equal"),
        ("video-games", "users", 24303.0, "not counted"),
        ("video-games", "density_percent", 0.0894, "not counted"),
    ]
    assert "22,363" in render_beside(cells, "text")


def test_counts_that_differ_say_by_how_much(results: Path) -> None:
    write_json(statistics_file("beauty", results), {**COUNTED, "users": 20000})
    experiment = described()
    first = counts_beside_published(experiment, counts_table(experiment, results))[0]
    assert (first.difference, first.verdict) == (-2363, "differs by -10.6%")


def test_a_table_that_names_no_printed_one_has_nothing_beside_it(results: Path) -> None:
    experiment = described(published=())
    with pytest.raises(BenchError, match="does not list published tables"):
        counts_beside_published(experiment, counts_table(experiment, results))
