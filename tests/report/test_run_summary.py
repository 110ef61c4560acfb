"""The end of a run: its result beside chance and other runs, what was chosen, and what to type next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.plugin.fit_report import AdapterReport, FitReport, MergeReport, TrainingReport
from bench.registry import registry
from bench.report import run_context
from bench.report.run_summary import summary
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
BETTER, WORSE = [0, 0, 1, 2], [9, 9, 20, 29]


@pytest.fixture
def save_run(save_run: Save) -> Save:
    """Store a run with the family that its method is registered with."""

    def save(method: str, *words: Any, **fields: Any) -> RunRecord:
        entry = registry().entries.get(method)
        return save_run(method, *words, **{"family": entry.family if entry else "general", **fields})

    return save


@pytest.fixture(autouse=True)
def nothing_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_context, "shipped_folder", lambda _kind: tmp_path / "shipped")


def rows_of(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split() for line in text.splitlines() if line.split()}


def test_the_result_is_beside_chance_the_reference_and_the_best_other_method(
    run_store: RunStore, save_run: Save
) -> None:
    record = save_run("sasrec", BETTER)
    reference, best = save_run("text-knn", WORSE), save_run("bpr", [0, 0, 0, 2])
    save_run("gru4rec", WORSE)
    text = summary(record, run_store)
    assert rows_of(text)["metric"] == ["metric", "value", "95%", "CI", "chance", "text-knn", "bpr"]
    assert rows_of(text)["ndcg@1"][-3:] == ["0.0333", "0.0000", "0.7500"]
    assert f"best other: bpr: run {best.id}" in text
    assert f"text-knn: run {reference.id}" in text
    assert text.splitlines()[-1] == f"next: bench compare {record.id} {best.id}"
    assert f"stored in {run_store.path(record.id)}" in text
    assert max(map(len, text.splitlines()[1:8])) <= 80


def test_only_runs_on_the_same_candidates_of_the_same_queries_are_compared(run_store: RunStore, save_run: Save) -> None:
    record = save_run("sasrec", WORSE)
    save_run("bpr", BETTER, candidates_hash="others")
    save_run("gru4rec", BETTER[:2])
    save_run("oracle", BETTER)
    save_run("constant", [0, 0, 0, 0], tied=[29, 29, 29, 29])
    save_run("random", BETTER)
    save_run("zeroshot", BETTER, toy=True)
    save_run("sasrec", BETTER, seed=1)  # the same method is no rival
    text = summary(record, run_store)
    assert rows_of(text)["metric"][-1] == "chance"
    assert "best other" not in text
    assert text.splitlines()[-1] == "next: bench run --method text-knn --dataset beauty --setting warm"


def test_a_control_that_learns_from_the_data_is_a_rival(run_store: RunStore, save_run: Save) -> None:
    record, popularity = save_run("bpr", WORSE), save_run("popularity", BETTER)
    text = summary(record, run_store)
    assert rows_of(text)["metric"][-2:] == ["chance", "popularity"]
    assert text.splitlines()[-1] == f"next: bench compare {record.id} {popularity.id}"


def test_no_run_is_proposed_that_is_stored(run_store: RunStore, save_run: Save) -> None:
    record, reference = save_run("bpr", BETTER), save_run("text-knn", WORSE)
    text = summary(record, run_store)
    assert rows_of(text)["metric"][-2:] == ["chance", "text-knn"]
    assert text.splitlines()[-1] == f"next: bench compare {record.id} {reference.id}"


@pytest.mark.parametrize(
    ("method", "dataset", "command"),
    [
        ("sasrec", "beauty", "bench run --method text-knn --dataset beauty --setting warm"),
        ("recformer", "mine", "bench run --method text-knn --dataset mine --setting warm"),  # it needs titles itself
        ("sasrec", "mine", "bench run --method popularity --dataset mine --setting warm"),
        ("popularity", "mine", "bench report"),
        ("external:theirs", "mine", "bench run --method popularity --dataset mine --setting warm"),
    ],
)
def test_data_that_may_have_no_titles_are_not_ranked_by_title(
    run_store: RunStore, save_run: Save, method: str, dataset: str, command: str
) -> None:
    text = summary(save_run(method, WORSE, dataset=dataset), run_store)
    assert text.splitlines()[-1] == f"next: {command}"


def test_shipped_runs_are_compared_as_well_but_not_named_in_commands(
    run_store: RunStore, save_run: Save, tmp_path: Path
) -> None:
    record, best = save_run("sasrec", WORSE), save_run("bpr", BETTER)
    (tmp_path / "shipped" / "runs").mkdir(parents=True)
    run_store.path(best.id).rename(tmp_path / "shipped" / "runs" / best.id)
    text = summary(record, RunStore(run_store.results_dir))
    assert f"best other: bpr: run {best.id}, shipped with bench" in text
    assert text.splitlines()[-1] == "next: bench run --method text-knn --dataset beauty --setting warm"


def test_what_the_method_chose_is_named(run_store: RunStore, save_run: Save) -> None:
    fit = FitReport(
        merge=MergeReport({"general": 0.35, "specific": 0.65}),
        adapters={"specific": AdapterReport("a", ("beauty",), n_steps=9, epochs=2.5, ended="converged")},
        training=TrainingReport(epochs=12, best_epoch=7, ended="rising"),
        extra={"chosen_sources": ["toys", "sports"], "recency_decay": 0.7},
    )
    text = summary(save_run("reccocktail", BETTER, fit=fit), run_store)
    assert "merge weights: general 0.35, specific 0.65\n" in text
    assert "chosen sources: toys, sports\n" in text
    assert "adapter specific: 2.5 epochs (validation had stopped rising)\n" in text
    assert "training: 12 epochs, best after 7 (validation was still rising)\n" in text
    assert "recency" not in text
