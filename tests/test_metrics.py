from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from sklearn.metrics import average_precision_score, roc_auc_score, top_k_accuracy_score

from bench.metrics import DEFAULT_METRICS, N_CANDIDATES, Metric, Ranks, chance, per_user, rank_positive, same_metric
from bench.spec import N_NEGATIVES

METRICS = [Metric.parse(text) for text in DEFAULT_METRICS]
small_scores = st_numpy.arrays(np.int8, st.tuples(st.integers(1, 8), st.just(30)), elements=st.integers(-3, 3))


def ranks_of(better: list[int], tied: list[int]) -> Ranks:
    return Ranks(np.array(better, np.int16), np.array(tied, np.int16))


def value_at_rank(metric: Metric, rank: int) -> float:
    """The textbook value of one positive at one rank, written without arrays."""
    if metric.cutoff is None or rank > metric.cutoff:
        return 0.0
    return {"ndcg": 1 / math.log2(rank + 1), "hit": 1.0, "mrr": 1 / rank}[metric.name]


def expected_by_enumeration(scores: list[int], positive: int, metric: Metric) -> float:
    """Average the metric over every order of the candidates that a sort by score may return."""
    total, count = 0.0, 0
    for order in itertools.permutations(range(len(scores))):
        ranked = sorted(order, key=lambda column: -scores[column])
        total += value_at_rank(metric, ranked.index(positive) + 1)
        count += 1
    return total / count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ndcg@5", [1.0, 0.630930, 0.5, 0.430677, 0.386853, 0.0]),
        ("mrr@5", [1.0, 0.5, 1 / 3, 0.25, 0.2, 0.0]),
        ("hit@3", [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_a_positive_without_ties_scores_the_gain_of_its_rank(text: str, expected: list[float]) -> None:
    ranks = ranks_of(list(range(6)), [0] * 6)
    assert per_user(ranks, Metric.parse(text)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ndcg@1", 0.0333),
        ("ndcg@3", 0.0710),
        ("ndcg@5", 0.0983),
        ("mrr@5", 0.0761),
        ("hit@3", 0.1),
        ("hit@10", 0.3333),
        ("mrr@10", 0.0976),
    ],
)
def test_chance_has_its_closed_form_and_a_constant_scorer_scores_it(text: str, expected: float) -> None:
    metric = Metric.parse(text)
    constant = rank_positive(np.zeros((4, 30)), np.array([0, 7, 29, 13]))
    assert chance(metric) == pytest.approx(expected, abs=5e-5)
    assert per_user(constant, metric) == pytest.approx([chance(metric)] * 4, abs=1e-15)
    assert constant.tie_rate == 1.0


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_random_scores_are_within_three_standard_errors_of_chance(metric: Metric) -> None:
    rng = np.random.default_rng(5)
    values = per_user(rank_positive(rng.random((20_000, 30)), rng.integers(0, 30, 20_000)), metric)
    assert abs(values.mean() - chance(metric)) < 3 * values.std() / math.sqrt(20_000)


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_an_oracle_scores_exactly_one(metric: Metric) -> None:
    column = np.arange(30)
    assert per_user(rank_positive(np.eye(30), column), metric).tolist() == [1.0] * 30


@pytest.mark.parametrize("metric", METRICS, ids=str)
@pytest.mark.parametrize("scores", [[1, 1, 1, 1, 1], [2, 1, 1, 0, 1], [3, 3, 1, 1, 0], [0, 1, 2, 3, 4]])
def test_ties_count_as_the_mean_over_all_orders(metric: Metric, scores: list[int]) -> None:
    for positive in range(len(scores)):
        ranks = rank_positive(np.array([scores], float), np.array([positive]))
        expected = expected_by_enumeration(scores, positive, metric)
        assert per_user(ranks, metric, n_candidates=5)[0] == pytest.approx(expected)


def test_one_right_title_and_random_ones_behind_it_give_the_known_values() -> None:
    ranks = ranks_of([0] * 40 + [1] * 60, [0] * 40 + [28] * 60)
    assert per_user(ranks, Metric("ndcg", 3)).mean() == pytest.approx(0.42340, abs=5e-6)
    assert per_user(ranks, Metric("ndcg", 5)).mean() == pytest.approx(0.44031, abs=5e-6)


@given(small_scores, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_permuting_candidates_with_their_scores_changes_nothing(scores: np.ndarray, random: object) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    positive = rng.integers(0, 30, len(scores))
    order = rng.permuted(np.tile(np.arange(30), (len(scores), 1)), axis=1)
    shuffled = np.take_along_axis(scores, order, axis=1)
    before, after = rank_positive(scores, positive), rank_positive(shuffled, np.argmax(order == positive[:, None], 1))
    assert before.better.tolist() == after.better.tolist()
    assert before.tied.tolist() == after.tied.tolist()


@given(small_scores, st.integers(0, 29))
@settings(max_examples=50, deadline=None)
def test_a_monotone_transform_of_the_scores_changes_nothing(scores: np.ndarray, column: int) -> None:
    positive = np.full(len(scores), column)
    before, after = rank_positive(scores, positive), rank_positive(np.exp(scores / 2.0) + 7, positive)
    assert before.better.tolist() == after.better.tolist()
    assert before.tied.tolist() == after.tied.tolist()


@given(small_scores, st.integers(0, 29), st.sampled_from(METRICS))
@settings(max_examples=50, deadline=None)
def test_values_agree_with_a_loop_over_tied_ranks(scores: np.ndarray, column: int, metric: Metric) -> None:
    values = per_user(rank_positive(scores, np.full(len(scores), column)), metric)
    for row, value in zip(scores.tolist(), values, strict=True):
        first = 1 + sum(score > row[column] for score in row)
        last = first + sum(score == row[column] for score in row) - 1
        by_hand = [value_at_rank(metric, rank) for rank in range(first, last + 1)]
        assert value == pytest.approx(sum(by_hand) / len(by_hand))


def test_infinite_scores_rank_as_numbers_do() -> None:
    ranks = rank_positive(np.array([[-np.inf, 0.0, np.inf], [-np.inf, -np.inf, 1.0]]), np.array([1, 0]))
    assert (ranks.better.tolist(), ranks.tied.tolist()) == ([1, 1], [0, 1])


def test_ranks_of_more_than_255_candidates_do_not_overflow() -> None:
    scores = np.zeros((2, 300))
    scores[1] = -np.arange(300)
    ranks = rank_positive(scores, np.array([0, 299]))
    assert (ranks.better.tolist(), ranks.tied.tolist()) == ([0, 299], [299, 0])


def test_the_tie_rate_is_the_share_of_positives_that_are_tied() -> None:
    assert ranks_of([0, 1, 2, 3], [0, 4, 0, 0]).tie_rate == 0.25
    assert ranks_of([], []).tie_rate == 0.0


@pytest.mark.parametrize("text", [*DEFAULT_METRICS, "auc", "recall@5", "map@10"])
def test_a_metric_prints_back_as_it_was_parsed(text: str) -> None:
    assert str(Metric.parse(text)) == text


@pytest.mark.parametrize("text", ["ndcg", "ndcg@0", "NDCG@1", "ndcg@1.5", "map", "auc@3", "recall@0", "ndcg@03", ""])
def test_what_is_no_metric_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a metric"):
        Metric.parse(text)


@given(st.data())
def test_long_lists_have_the_values_of_short_ones(data: st.DataObject) -> None:
    """A list too long for a table of gains: candidates that nobody ranks above anything change nothing."""
    better = data.draw(st.lists(st.integers(0, 29), min_size=1, max_size=20))
    tied = [data.draw(st.integers(0, 29 - rank)) for rank in better]
    for metric in METRICS:
        long = per_user(ranks_of(better, tied), metric, n_candidates=40_000)
        np.testing.assert_allclose(long, per_user(ranks_of(better, tied), metric), rtol=1e-12)


def test_the_last_rank_of_a_large_catalogue_has_its_gain() -> None:
    last = Ranks(np.array([39_999], np.int32), np.array([0], np.int32))
    all_tied = Ranks(np.array([0], np.int32), np.array([39_999], np.int32))
    assert per_user(last, Metric("mrr", 40_000), 40_000) == pytest.approx([1 / 40_000])
    assert per_user(all_tied, Metric("hit", 10), 40_000) == pytest.approx([10 / 40_000])


@pytest.mark.parametrize(("name", "same"), [("recall@1", "hit@1"), ("recall@10", "hit@10"), ("map@3", "mrr@3")])
def test_metrics_of_one_positive_have_two_names(name: str, same: str) -> None:
    better, tied = np.divmod(np.arange(900), 30)
    ranks = Ranks(better, np.minimum(tied, 29 - better))
    np.testing.assert_array_equal(per_user(ranks, Metric.parse(name)), per_user(ranks, Metric.parse(same)))
    assert same_metric(name) == same
    assert same_metric(same) == same


def test_the_auc_is_the_share_of_negatives_below_the_positive() -> None:
    ranks = Ranks(np.array([0, 29, 1, 0, 10]), np.array([0, 0, 0, 29, 4]))
    assert per_user(ranks, Metric.parse("auc")) == pytest.approx([1, 0, 28 / 29, 0.5, (15 + 4 / 2) / 29])
    assert chance(Metric.parse("auc")) == pytest.approx(0.5)
    assert chance(Metric.parse("auc"), 100) == pytest.approx(0.5)


@given(st_numpy.arrays(np.float64, (6, 30), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])), st.integers(0, 29))
def test_auc_recall_and_map_are_those_of_scikit_learn(scores: np.ndarray, column: int) -> None:
    positives = np.full(len(scores), column)
    ranks = rank_positive(scores, positives)
    labels = np.arange(30) == column
    expected = [roc_auc_score(labels, row) for row in scores]  # a tie counts half, its expected value
    assert per_user(ranks, Metric.parse("auc")) == pytest.approx(expected)
    untied = scores + np.random.default_rng(0).permuted(np.tile(np.arange(30), (len(scores), 1)), axis=1) * 1e-6
    ranks = rank_positive(untied, positives)
    expected = [average_precision_score(labels, row) for row in untied]
    assert per_user(ranks, Metric.parse("map@30")) == pytest.approx(expected)
    expected = [top_k_accuracy_score([column], row[None], k=5, labels=np.arange(30)) for row in untied]
    assert per_user(ranks, Metric.parse("recall@5")) == pytest.approx(expected)


@given(st.integers(2, 400), st.data())
def test_the_auc_with_ties_is_its_mean_over_all_orders(n_candidates: int, data: st.DataObject) -> None:
    better = data.draw(st.integers(0, n_candidates - 1))
    tied = data.draw(st.integers(0, n_candidates - 1 - better))
    (value,) = per_user(Ranks(np.array([better]), np.array([tied])), Metric.parse("auc"), n_candidates)
    assert value == pytest.approx(1 - (better + tied / 2) / (n_candidates - 1))
    assert 0 <= value <= 1


def test_the_usual_list_has_the_usual_number_of_negatives() -> None:
    assert N_CANDIDATES == 1 + N_NEGATIVES
