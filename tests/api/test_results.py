"""``bench.compare`` and ``bench.table`` give what the command line prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.files.rounding import rounded
from bench.runs.record import RunRecord
from tests.support.command_line import call_bench

Save = Callable[..., RunRecord]
METRICS = ["ndcg@1", "ndcg@3"]


def random_ranks(seed: int, highest: int) -> list[int]:
    return [int(rank) for rank in np.random.default_rng(seed).integers(0, highest, 200)]


@pytest.fixture
def stored(save_run: Save) -> list[RunRecord]:
    """Three seeds of one method and one of another, in the results folder that the environment names."""
    seeds = [save_run("bpr", random_ranks(seed, 9), seed=seed) for seed in (0, 1, 2)]
    return [*seeds, save_run("random", random_ranks(9, 12))]


def told(*words: str) -> list[dict[str, Any]]:
    outcome = call_bench(["compare", *words, "--json"])
    assert outcome.code == 0, outcome.stderr
    return list(json.loads(outcome.stdout))


def plain(compared: Any) -> list[dict[str, Any]]:
    return [dict(rounded(asdict(comparison))) for comparison in compared]


def without_words(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    words = ("effect", "warning", "ended_a", "ended_b")
    return [{name: value for name, value in row.items() if name not in words} for row in rows]


def test_two_runs_compare_as_on_the_command_line(stored: list[RunRecord]) -> None:
    names = "bpr@beauty@warm@seed1", "random@beauty@warm"
    compared = bench.compare(*map(bench.load_run, names))
    assert plain(compared) == without_words(told(*names))
    assert compared["ndcg@3"].p_holm == list(compared)[1].p_holm
    assert 0 < compared["ndcg@3"].p_t < 1
    assert str(compared) == call_bench(["compare", *names]).stdout
    assert plain(bench.compare(*names)) == plain(compared)


def test_the_runs_of_several_seeds_compare_as_one_system(stored: list[RunRecord]) -> None:
    seeds = bench.Runs(tuple(bench.load_run(record.id) for record in stored[:3]))
    compared = bench.compare(seeds, "random@beauty@warm", ["mrr@10"], test="wilcoxon")
    (row,) = told("bpr@beauty@warm", "random@beauty@warm", "--metric", "mrr@10", "--test", "wilcoxon")
    assert plain(compared) == without_words([row])
    assert (compared["mrr@10"].n_seeds_a, compared["mrr@10"].corrected_test) == (3, "wilcoxon")


def test_a_comparison_is_a_frame_and_a_table_of_html(stored: list[RunRecord]) -> None:
    compared = bench.compare("bpr@beauty@warm", "random@beauty@warm")
    frame = compared.frame()
    assert frame.index.tolist() == METRICS
    assert frame.loc["ndcg@1", "p_holm"] == compared["ndcg@1"].p_holm
    html = compared._repr_html_()
    assert html.count("<table>") == 1
    assert "B: random@beauty@warm@seed0" in html
    with pytest.raises(bench.BenchError, match="'ndcg@5' was not compared; expected ndcg@1 or ndcg@3"):
        compared["ndcg@5"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": "bqr@beauty@warm"}, "No run 'bqr@beauty@warm'.*Did you mean bpr@beauty@warm"),
        ({"metrics": ["ndcg"]}, "Unknown metric 'ndcg'"),
        ({"test": "welch"}, "test must be t-test or wilcoxon or permutation, not 'welch'"),
    ],
)
def test_a_mistake_in_a_comparison_is_one_line(
    stored: list[RunRecord], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(bench.BenchError, match=message):
        bench.compare(**{"a": "bpr@beauty@warm", "b": "random@beauty@warm", **arguments})


def test_the_table_of_a_dataset_is_that_of_the_command_line(stored: list[RunRecord]) -> None:
    table = bench.table(dataset="beauty", setting="warm", metrics=["mrr@5"])
    words = ("table", "--dataset", "beauty", "--setting", "warm", "--metric", "mrr@5")
    assert str(table) == call_bench(words).stdout
    assert table.render("latex") == call_bench([*words, "--format", "latex"]).stdout
    assert table._repr_html_() == call_bench([*words, "--format", "html"]).stdout


def test_the_table_of_an_experiment_is_that_of_the_command_line() -> None:
    assert str(bench.table("demo")) == call_bench(["table", "demo"]).stdout
    assert str(bench.table("demo", scale="smoke")) == call_bench(["table", "demo", "--scale", "smoke"]).stdout


def test_given_runs_are_the_rows_of_a_table(stored: list[RunRecord], save_run: Save) -> None:
    save_run("sasrec", random_ranks(4, 9))
    seeds = bench.Runs(tuple(bench.load_run(record.id) for record in stored[:3]))
    other = bench.load_run("random@beauty@warm")
    table = bench.table(seeds, other)
    assert [row.method for row in table.rows] == ["bpr", "random"]
    assert [row.cells[0].n_seeds for row in table.rows] == [3, 1]
    frame = table.frame()
    assert frame.index.tolist() == ["bpr", "random"]
    values = frame["beauty, warm"]["ndcg@3"].tolist()
    assert values == pytest.approx([seeds.metrics["ndcg@3"], other.metrics["ndcg@3"]], abs=1e-9)
    assert "± " in str(seeds)


def test_runs_of_several_settings_are_groups_of_columns(save_run: Save) -> None:
    for setting in ("warm", "cold"):
        save_run("bpr", random_ranks(1, 9), setting=setting)
    table = bench.table(bench.load_run("bpr@beauty@warm"), bench.load_run("bpr@beauty@cold"), metrics=["ndcg@3"])
    assert [group.setting for group in table.groups] == ["warm", "cold"]
    assert len(table.rows) == 1


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ((), {}, "Give either runs, or the name of one experiment"),
        (("demo", "main-warm-cold"), {}, "Give either runs"),
        ((), {"dataset": "beauty"}, "both dataset and setting"),
        (("demo",), {"dataset": "beauty", "setting": "warm"}, "Give either runs"),
        (("dmeo",), {}, "Unknown experiment 'dmeo'. Did you mean demo"),
        (("demo",), {"metrics": ["ndcg@1"]}, "metrics of 'demo' are in its file"),
        ((), {"dataset": "beauty", "setting": "warm", "scale": "smoke"}, "options of an experiment"),
        ((), {"dataset": "beauty", "setting": "warm"}, "No runs on dataset 'beauty'"),
    ],
)
def test_a_mistake_in_a_table_is_one_line(what: tuple[str, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(bench.BenchError, match=message):
        bench.table(*what, **options)


def test_runs_from_two_folders_are_refused(stored: list[RunRecord], tmp_path: Path) -> None:
    other = bench.run("popularity", "shop", results_dir=tmp_path / "other", progress=None, device="cpu")
    with pytest.raises(bench.BenchError, match="stored in different folders"):
        bench.table(other, bench.load_run("random@beauty@warm"))
