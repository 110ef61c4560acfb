from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow
from bench.registry import Registry
from bench.report.tables.build import build_table
from bench.report.tables.merge_weights import chosen_weight
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
VALIDATED = {"target_weight": 0.4, "validation_ndcg@3_by_target_weight": [[0.4, 0.2]]}


def test_weights_learned_from_entropy_and_by_validation_are_chosen_and_given_ones_are_not(save_run: Save) -> None:
    learned = save_run("a", [0], details={"lambda_specific": 0.8}, transductive=True)
    assert chosen_weight(learned) == 0.8
    assert chosen_weight(save_run("b", [0], details=VALIDATED)) == 0.4
    assert chosen_weight(save_run("c", [0], details={"lambda_specific": 0.5})) is None
    assert chosen_weight(save_run("d", [0], details={"target_weight": 0.25})) is None
    assert chosen_weight(save_run("e", [0], details=VALIDATED, toy=True)) is None


def test_a_table_says_each_rows_mean_weight_over_seeds_in_each_place(save_run: Save, run_store: RunStore) -> None:
    for setting, weights in (("warm", (0.8, 0.9)), ("cold", (0.6, 0.7))):
        for seed, weight in enumerate(weights):
            facts = {"details": {"lambda_specific": weight}, "transductive": True}
            save_run("learned", [0, 1], setting=setting, seed=seed, **facts)
            save_run("given", [1, 1], setting=setting, seed=seed, details={"target_weight": 0.5})
    experiment = Experiment(
        name="toy",
        caption="Toy.",
        rows=(ExperimentRow("learned", "Learned"), ExperimentRow("given", "Given")),
        datasets=(ExperimentDataset("beauty", "Beauty"),),
        settings=("warm", "cold"),
        metrics=("ndcg@1",),
        seeds=(0, 1),
    )
    (note,) = [n for n in build_table(experiment, run_store, Registry({}, {})).footnotes if n.startswith("Weight of")]
    assert note.endswith("Learned: 0.85 (Beauty, warm), 0.65 (Beauty, cold).")


@pytest.mark.parametrize("details", [{}, {"target_weight": 1.0}])
def test_a_table_without_chosen_weights_says_nothing_of_them(
    save_run: Save, run_store: RunStore, details: dict[str, float]
) -> None:
    save_run("plain", [0, 1], details=details)
    experiment = Experiment(
        name="toy",
        caption="Toy.",
        rows=(ExperimentRow("plain", "Plain"),),
        datasets=(ExperimentDataset("beauty", "Beauty"),),
        settings=("warm",),
        metrics=("ndcg@1",),
    )
    assert not any("Weight of" in note for note in build_table(experiment, run_store, Registry({}, {})).footnotes)
