from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.data.domain import normalize_title
from bench.files.store import ArtifactStore
from bench.protocol.splits import source_training, split_domain
from bench.protocol.task import prepare_task
from bench.protocol.user_split import (
    MAX_ITEMS,
    MIN_ITEMS,
    TEST,
    TRAIN,
    VALIDATION,
    user_parts,
)
from bench.spec import ProtocolSpec
from tests.support.timed_toy import N_ITEMS, prepared, random_timed, sequence, timed_domain


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_query_is_the_end_of_a_short_sequence_of_a_user_nobody_is_trained_on(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    domain = random_timed(80, seed)
    task = prepared(domain, tmp_path_factory.mktemp("artifacts"), seed)
    parts = user_parts(domain, seed)
    trained = np.flatnonzero(np.diff(task.training.indptr))
    assert np.array_equal(trained, np.flatnonzero(parts.part == TRAIN))
    for user in trained:
        assert task.training.history(user).tolist() == sequence(domain, parts, user)
    for part, queries_of in ((VALIDATION, task.validation), (TEST, task.test)):
        queries = queries_of.queries
        assert np.array_equal(queries.users, np.flatnonzero(parts.part == part))
        for row, user in enumerate(queries.users):
            asked = [*queries.history(row).tolist(), int(queries_of.lists.positives[row])]
            assert asked == sequence(domain, parts, int(user))
            assert MIN_ITEMS <= len(set(asked)) == len(asked) <= MAX_ITEMS
            touched = set(domain.history(int(user)).tolist())
            candidates = queries.candidates[row].tolist()
            assert len(set(candidates)) == 30
            assert touched & set(candidates) == {asked[-1]}


def test_twenty_nine_frozen_negatives_have_the_law_of_draws_without_replacement(tmp_path: Path) -> None:
    """Everyone asked has touched the same five items, so that all lists are drawn from the same others."""
    asked = [[(100 + item, item) for item in range(5)]] * 4000
    others = [[(item, item) for item in range(user % 50, min(user % 50 + 14, 50 + user % 9))] for user in range(600)]
    domain = timed_domain([*asked, *others])
    task = prepared(domain, tmp_path)
    weights = task.training.item_counts()[:100]
    queries = task.test.queries.take(np.flatnonzero(task.test.queries.users < 4000))
    negatives = queries.candidates[queries.candidates < 100]
    assert len(negatives) == 29 * len(queries)
    # Efraimidis and Spirakis: the 29 smallest of exponential numbers over weights are such draws
    pool = np.flatnonzero(weights)
    keys = np.random.default_rng(1).exponential(size=(40_000, len(pool))) / weights[pool]
    expected = np.bincount(np.argsort(keys, axis=1)[:, :29].ravel()) / 40_000
    found = np.bincount(negatives, minlength=100)[pool] / len(queries)
    assert expected.std() > 0.05
    assert found == pytest.approx(expected, abs=4.5 * 0.5 / len(queries) ** 0.5)


def test_one_frozen_negative_passes_a_chi_square_test_of_proportion(tmp_path: Path) -> None:
    asked = [[(100 + item, item) for item in range(5)]] * 6000
    popular = [[(item, item) for item in range(max(0, user % 40 - 8), user % 40 + 6)] for user in range(400)]
    domain = timed_domain([*asked, *popular])
    spec = ProtocolSpec("toy", "user-split", n_negatives=1)
    task = prepare_task(domain, spec, ArtifactStore(tmp_path))
    counts = task.training.item_counts()
    counts[100:105] = 0
    lists = task.test.queries.candidates[task.test.queries.users < 6000]
    negatives = lists[(lists < 100) | (lists > 104)]
    assert len(negatives) == len(lists)
    expected = len(lists) * counts[counts > 0] / counts.sum()
    found = np.bincount(negatives, minlength=N_ITEMS)
    assert found[counts == 0].sum() == 0
    assert stats.chisquare(found[counts > 0], expected).pvalue > 0.001


def test_popularity_is_no_help_against_popular_negatives(tmp_path: Path) -> None:
    domain = random_timed(3000)
    task = prepared(domain, tmp_path)
    counts = task.training.item_counts()[task.test.queries.candidates].astype(float)
    positive = np.take_along_axis(counts, task.test.answers.positive_column[:, None], axis=1)
    warm = prepare_task(domain, ProtocolSpec("toy"), ArtifactStore(tmp_path))
    warm_counts = warm.training.item_counts()[warm.test.queries.candidates].astype(float)
    warm_positive = np.take_along_axis(warm_counts, warm.test.answers.positive_column[:, None], axis=1)
    assert np.mean((counts > positive).sum(axis=1)) > np.mean((warm_counts > warm_positive).sum(axis=1)) + 3


def test_every_method_sees_titles_of_eight_words_and_lists_of_distinct_ones(tmp_path: Path) -> None:
    words = "one  two three four five six seven eight"
    titles = [f"{item // 2} {words} {item}" if item % 4 < 2 else f"short {item}" for item in range(N_ITEMS)]
    domain = replace(random_timed(), titles=tuple(titles))
    task = prepared(domain, tmp_path)
    assert task.training.titles[0] == "0 one two three four five six seven"
    assert task.training.titles[2] == "short 2"
    assert task.domain.titles == task.training.titles
    assert "Titles are cut to 8 words." in task.domain.notes
    for part in (task.validation, task.test):
        for row in part.queries.candidates:
            assert len({normalize_title(task.training.titles[item]) for item in row}) == 30
    spec = ProtocolSpec("target", "user-split")
    assert source_training(domain, spec).titles == task.training.titles
    assert source_training(domain, ProtocolSpec("target")).titles == domain.titles


def test_a_source_is_trained_on_by_its_own_train_users_and_never_by_a_test_user_of_the_target(tmp_path: Path) -> None:
    target, source = random_timed(200), replace(random_timed(150, seed=5), name="source")
    spec = ProtocolSpec("toy", "user-split", seed=4)
    seen = source_training(source, spec)
    task = prepare_task(target, spec, ArtifactStore(tmp_path))
    trained = set(seen.user_ids[np.diff(seen.indptr) > 0].tolist())
    asked = set(target.user_ids[np.append(task.test.queries.users, task.validation.queries.users)].tolist())
    assert trained
    assert not trained & asked
    assert np.array_equal(seen.items, source.items[user_parts(source, 4).of(TRAIN)])
    warm = source_training(source, ProtocolSpec("toy", "cold"))
    assert np.array_equal(warm.items, source.keeping(split_domain(source, ProtocolSpec("source")).train).items)


def test_what_asked_users_do_last_changes_nothing_that_is_learned_from(tmp_path: Path) -> None:
    domain = random_timed()
    task = prepared(domain, tmp_path / "a")
    items = domain.items.copy()
    at = split_domain(domain, ProtocolSpec("toy", "user-split")).test
    items[at] = (items[at] + 1) % N_ITEMS
    other = prepared(replace(domain, items=items), tmp_path / "b")
    assert other.training.content_hash == task.training.content_hash
    assert np.array_equal(other.validation.queries.candidates, task.validation.queries.candidates)
    assert np.array_equal(other.validation.queries.history_items, task.validation.queries.history_items)
