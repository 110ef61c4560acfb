from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from bench.experiments.experiment import ExperimentRow
from bench.metrics import Metric, Ranks, per_user
from bench.report.tables.build import build_table
from bench.runs.store import RunStore
from tests.support.small_tables import REGISTRY, N, Save, column, experiment, ranks


def test_several_seeds_show_mean_and_deviation_over_seeds(run_store: RunStore, save_run: Save) -> None:
    runs = [save_run("bpr", ranks(seed, 6), seed=seed) for seed in (0, 1, 2)]
    table = build_table(experiment("bpr", seeds=(0, 1, 2)), run_store, REGISTRY)
    cell = table.rows[0].cells[0]
    values = [run.metrics["ndcg@1"]["value"] for run in runs]
    assert cell.value == pytest.approx(np.mean(values))
    assert cell.sd == pytest.approx(np.std(values, ddof=1))
    assert (cell.n, cell.n_seeds) == (N, 3)
    assert cell.text == f"{cell.value:.4f} ± {cell.sd:.4f}"
    assert "over 3 seeds" in table.caption


def test_a_row_that_learns_from_some_users_is_a_mean_over_subsets_and_others_stand_for_themselves(
    run_store: RunStore, save_run: Save
) -> None:
    few = [save_run("bpr", ranks(subset, 6), train_users=50, train_subset=subset) for subset in (0, 1, 2)]
    save_run("bpr", ranks(5, 6), train_users=100)
    whole = save_run("sasrec", ranks(9, 6))
    rows = (
        *(ExperimentRow("bpr", f"BPR, {n} users", train_users=n) for n in (50, 100)),
        ExperimentRow("sasrec", "SASRec"),
    )
    table = build_table(experiment(rows=rows, train_subsets=(0, 1, 2)), run_store, REGISTRY)
    cells = [row.cells[0] for row in table.rows]
    assert [cell.run_ids for cell in cells[::2]] == [tuple(run.id for run in few), (whole.id,)]
    assert cells[0].value == pytest.approx(np.mean([run.metrics["ndcg@1"]["value"] for run in few]))
    assert cells[0].sd is not None
    assert cells[2].sd is None
    assert [cell.note for cell in cells] == ["", "1 of 3 runs", ""]
    assert "One seed. Mean ± standard deviation over 3 subsets of training users" in table.caption
    assert "each user's mean over subsets of training users" in table.caption
    assert [command.split("--train-users ")[1] for command in table.missing] == [
        f"100 --subset-index {subset}" for subset in (1, 2)
    ]


def test_tests_over_several_seeds_use_each_users_mean_and_never_pool(run_store: RunStore, save_run: Save) -> None:
    means = {}
    for number, (method, highest) in enumerate((("bpr", 5), ("sasrec", 6))):
        samples = [ranks(10 * number + seed, highest) for seed in (0, 1)]
        for seed, sample in enumerate(samples):
            save_run(method, sample, seed=seed)
        gains = [per_user(Ranks(np.array(s), np.zeros(N, int)), Metric("ndcg", 1)) for s in samples]
        means[method] = np.mean(gains, axis=0)
    cells = column(build_table(experiment("bpr", "sasrec", seeds=(0, 1)), run_store, REGISTRY))
    second = next(cell for cell in cells.values() if cell.second)
    expected = scipy.stats.ttest_rel(means["bpr"], means["sasrec"]).pvalue
    assert second.p_corrected == pytest.approx(expected)


def test_a_row_with_fewer_seeds_says_so(run_store: RunStore, save_run: Save) -> None:
    save_run("bpr", ranks(0, 6))
    save_run("sasrec", ranks(0, 6))
    save_run("sasrec", ranks(1, 6), seed=1)
    table = build_table(experiment("bpr", "sasrec", seeds=(0, 1)), run_store, REGISTRY)
    assert column(table)["bpr"].note == "1 of 2 seeds"
    assert "BPR, Beauty, warm: 1 of 2 seeds." in table.footnotes
    assert len(table.missing) == 1


def test_over_seeds_a_star_needs_the_seeds_to_agree_as_well(run_store: RunStore, save_run: Save) -> None:
    good, bad = [0] * N, [0] * (N // 2) + [20] * (N // 2)
    for seed, sample in enumerate((good, good, bad)):
        save_run("bpr", sample, seed=seed)
    for seed in (0, 1, 2):
        save_run("sasrec", [0] * (2 * N // 3) + [20] * (N // 3), seed=seed)
    table = build_table(experiment("bpr", "sasrec", seeds=(0, 1, 2)), run_store, REGISTRY)
    cells = column(table)
    assert cells["bpr"].best
    assert cells["sasrec"].p_corrected < 0.001
    assert cells["sasrec"].behind_best.low < 0
    assert not cells["bpr"].starred
    assert "the interval over users and runs excludes zero" in table.caption


@pytest.mark.parametrize(("firsts", "is_starred"), [((242, 209, 242), False), ((242, 236, 242), True)])
def test_over_seeds_a_star_needs_the_t_test_on_their_means(
    run_store: RunStore, save_run: Save, firsts: tuple[int, ...], is_starred: bool
) -> None:
    for seed, n_first in enumerate(firsts):
        save_run("bpr", [0] * n_first + [20] * (N - n_first), seed=seed)
        save_run("sasrec", [0] * 200 + [20] * (N - 200), seed=seed)
    table = build_table(experiment("bpr", "sasrec", seeds=(0, 1, 2)), run_store, REGISTRY)
    cells = column(table)
    assert cells["sasrec"].p_corrected < 0.001
    assert cells["sasrec"].behind_best.low > 0
    assert cells["bpr"].starred == is_starred
    assert "a t-test on the means of runs has p < 0.05" in table.caption


def test_the_interval_over_seeds_is_wider_than_that_of_the_users_alone(run_store: RunStore, save_run: Save) -> None:
    for seed, highest in enumerate((3, 5, 9)):
        save_run("bpr", ranks(0, highest), seed=seed)
    over_seeds = build_table(experiment("bpr", seeds=(0, 1, 2)), run_store, REGISTRY).rows[0].cells[0]
    one_seed = build_table(experiment("bpr", seeds=(1,)), run_store, REGISTRY).rows[0].cells[0]
    assert over_seeds.low <= over_seeds.value <= over_seeds.high
    assert over_seeds.high - over_seeds.low > 1.5 * (one_seed.high - one_seed.low)
