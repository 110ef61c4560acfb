from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.experiments.experiment import Experiment, ExperimentDataset, ExperimentRow
from bench.plugin import FitReport, MergeReport
from bench.registry import Registry
from bench.report.tables.build import build_table
from bench.report.tables.merge_weights import chosen_weight
from bench.runs.record import RunRecord
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
CHOSEN = FitReport(merge=MergeReport({"target": 0.4, "one": 0.6}, chosen=0.4))
GIVEN = FitReport(merge=MergeReport({"target": 0.5, "one": 0.5}))


def test_only_a_weight_that_the_method_chose_on_a_real_backbone_is_stated(save_run: Save) -> None:
    assert chosen_weight(save_run("a", [0], fit=CHOSEN)) == 0.4
    assert chosen_weight(save_run("b", [0], fit=GIVEN)) is None
    assert chosen_weight(save_run("c", [0])) is None
    assert chosen_weight(save_run("d", [0], fit=CHOSEN, toy=True)) is None


def test_a_table_says_each_rows_mean_weight_over_seeds_in_each_place(save_run: Save, run_store: RunStore) -> None:
    for setting, weights in (("warm", (0.8, 0.9)), ("cold", (0.6, 0.7))):
        for seed, weight in enumerate(weights):
            learned = FitReport(merge=MergeReport({"specific": weight, "general": 1 - weight}, chosen=weight))
            save_run("learned", [0, 1], setting=setting, seed=seed, fit=learned)
            save_run("given", [1, 1], setting=setting, seed=seed, fit=GIVEN)
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


@pytest.mark.parametrize("fit", [FitReport(), GIVEN])
def test_a_table_without_chosen_weights_says_nothing_of_them(
    save_run: Save, run_store: RunStore, fit: FitReport
) -> None:
    save_run("plain", [0, 1], fit=fit)
    experiment = Experiment(
        name="toy",
        caption="Toy.",
        rows=(ExperimentRow("plain", "Plain"),),
        datasets=(ExperimentDataset("beauty", "Beauty"),),
        settings=("warm",),
        metrics=("ndcg@1",),
    )
    assert not any("Weight of" in note for note in build_table(experiment, run_store, Registry({}, {})).footnotes)
