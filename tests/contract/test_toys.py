from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.contract.toys import NOUNS, domain_of, planted_groups, queries_of
from bench.contract.worlds import SOURCES, TARGET, TOPICS, World, planted_world, toy_domain, with_other_answers
from bench.plugin import Task
from bench.runs.complete import complete
from bench.runs.request import RunRequest
from bench.spec import SETTINGS, Setting


def world(folder: Path, setting: Setting = "warm", **words: bool) -> World:
    return planted_world(complete(RunRequest("popularity", TARGET, setting)), folder, **words)


def topics_of(titles: tuple[str, ...]) -> np.ndarray:
    return np.array([title.split()[0] for title in titles])


def learned_from(task: Task) -> list[np.ndarray]:
    parts = [task.target.indptr, task.target.items, task.validation_answers.positive_column]
    return parts + [value for value in vars(task.validation).values() if isinstance(value, np.ndarray)]


def test_the_nouns_are_sixty_different_words() -> None:
    assert len(set(NOUNS)) == len(NOUNS) == 60


def test_each_user_stays_in_one_group_and_nobody_touches_the_groups_that_are_not_liked() -> None:
    domain = planted_groups(12, 10, touched=10, n_liked=4, topics=("a", "b", "c", "d", "e", "f"))
    topics = topics_of(domain.titles)
    for user in range(12):
        assert set(topics[domain.history(user)]) == {"abcdef"[user % 4]}
        assert len(set(domain.history(user))) == 10
    assert (domain.item_counts()[np.isin(topics, ["e", "f"])] == 0).all()


def test_shuffled_users_stay_in_no_group() -> None:
    domain = planted_groups(40, shuffled=True, topics=tuple("abcdef"))
    topics = topics_of(domain.titles)
    assert all(len(set(topics[domain.history(user)])) > 1 for user in range(40))


def test_without_topics_a_title_is_a_noun_alone() -> None:
    assert planted_groups(4).titles == tuple(NOUNS)


def test_a_list_holds_the_positive_once_in_its_column_and_nothing_of_the_history() -> None:
    queries, answers = queries_of([[0, 1], [2]], [5, 6], 40, np.random.default_rng(0))
    for query, (history, positive) in enumerate([([0, 1], 5), ([2], 6)]):
        candidates = queries.candidates[query]
        assert candidates[answers.positive_column[query]] == positive
        assert len(set(candidates)) == 30
        assert not set(candidates) & set(history)
        assert queries.history(query).tolist() == history


def test_a_domain_of_nobody_is_a_domain() -> None:
    assert (domain_of([], ["a"]).n_users, domain_of([], ["a"]).n_items) == (0, 1)


def test_the_domains_share_no_topic() -> None:
    topics = [set(topics_of(toy_domain(name).titles)) for name in (TARGET, *SOURCES)]
    assert [len(words) for words in topics] == [6, 6, 6]
    assert len(set.union(*topics)) == 18


def test_every_planted_answer_is_of_the_users_topic_and_no_negative_is(tmp_path: Path) -> None:
    planted = world(tmp_path)
    topics = topics_of(planted.task.target.titles)
    for query in range(len(planted.queries)):
        (topic,) = set(topics[planted.queries.history(query)])
        is_own = topics[planted.queries.candidates[query]] == topic
        assert np.flatnonzero(is_own).tolist() == [planted.positive_column[query]]


def test_the_last_topic_is_cold_where_something_is_planted_and_not_where_nothing_is(tmp_path: Path) -> None:
    planted, shuffled = world(tmp_path), world(tmp_path, shuffled=True)
    is_last = topics_of(planted.task.target.titles) == TOPICS[TARGET][-1]
    assert (planted.task.target.item_counts() == 0).tolist() == is_last.tolist()
    assert np.isin(planted.queries.candidates, np.flatnonzero(is_last)).any()
    assert (shuffled.task.target.item_counts() > 0).all()


@pytest.mark.parametrize("setting", SETTINGS)
def test_other_answers_leave_what_is_learned_from_as_it_was(tmp_path: Path, setting: Setting) -> None:
    planted = world(tmp_path / "first", setting)
    other = with_other_answers(planted, tmp_path / "second")
    for one, two in zip(learned_from(planted.task), learned_from(other.task), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(other.prepared.training.items, planted.prepared.training.items)
    assert other.task.artifacts != planted.task.artifacts
    last = planted.queries.users
    ends = (planted.prepared.domain.indptr[last + 1] - 1, other.prepared.domain.indptr[last + 1] - 1)
    before, after = planted.prepared.domain.items[ends[0]], other.prepared.domain.items[ends[1]]
    assert (before != after).all()
    assert before.tolist() == planted.prepared.test.lists.positives.tolist()
