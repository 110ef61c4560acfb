from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.contract.toys import domain_of
from bench.data.domain import Domain
from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.protocol.sources import Overlap, check_source, overlap, source_warnings
from bench.protocol.splits import source_training, without_titles
from bench.protocol.task import PreparedTask, prepare_task
from bench.spec import ProtocolSpec

N_ITEMS, N_USERS = 80, 60


def target() -> Domain:
    rng = np.random.default_rng(0)
    histories = [[int(item) for item in rng.permutation(N_ITEMS)[:6]] for _ in range(N_USERS)]
    return domain_of(histories, [f"Title {item}" for item in range(N_ITEMS)])


def prepared(folder: Path, setting: str = "cold", domain: Domain | None = None) -> PreparedTask:
    return prepare_task(domain or target(), ProtocolSpec("toy", setting), ArtifactStore(folder))  # type: ignore[arg-type]


def source(titles: list[str], histories: list[list[int]], users: tuple[str, ...] = ()) -> Domain:
    """Return a source whose items have ids of their own, and its users too where none are given."""
    user_ids = np.array(users or [f"other {number}" for number in range(len(histories))])
    item_ids = np.array([f"other {number}" for number in range(len(titles))])
    return replace(domain_of(histories, titles), name="elsewhere", user_ids=user_ids, item_ids=item_ids)


def test_a_source_does_not_train_on_titles_that_are_cold_in_the_target(tmp_path: Path) -> None:
    task = prepared(tmp_path)
    cold, warm = np.flatnonzero(task.cold_items)[0], np.flatnonzero(~task.cold_items)[0]
    whole = source([f"  TITLE   {cold} ", f"title {warm}", "something else"], [[0, 1, 2], [2, 0]])
    with pytest.raises(
        BenchError, match="2 training interactions of source elsewhere are with items that share a cold item's title"
    ):
        check_source(whole, task.cold_titles)
    kept = without_titles(whole, task.cold_titles)
    check_source(kept, task.cold_titles)
    assert [kept.history(user).tolist() for user in range(2)] == [[1, 2], [2]]
    assert kept.titles == whole.titles
    assert source_warnings(kept, task) == ["source elsewhere: 1 item with a cold item's title not trained on"]


def test_a_source_without_cold_titles_stays_as_it_is(tmp_path: Path) -> None:
    task = prepared(tmp_path)
    apart = source(["something else", ""], [[0, 1]])
    assert without_titles(apart, task.cold_titles) is apart
    assert source_warnings(apart, task) == []


def test_a_source_s_training_part_is_that_of_its_own_split_less_the_cold_titles(tmp_path: Path) -> None:
    task = prepared(tmp_path)
    twin = replace(target(), name="twin")
    whole, kept = (source_training(twin, task.spec, titles) for titles in (frozenset[str](), task.cold_titles))
    assert whole.n_interactions == twin.n_interactions - 2 * N_USERS
    assert kept.n_interactions == np.count_nonzero(~task.cold_items[whole.items])
    check_source(kept, task.cold_titles)


def test_warm_sources_keep_the_titles_that_they_share(tmp_path: Path) -> None:
    task = prepared(tmp_path, "warm")
    same = source(list(target().titles), [[*range(N_ITEMS)]])
    assert without_titles(same, task.cold_titles) is same


def test_what_a_target_and_a_source_have_in_common_is_counted(tmp_path: Path) -> None:
    task = prepared(tmp_path, "warm")
    answers = {
        int(user): int(item) for user, item in zip(task.test.queries.users, task.test.lists.positives, strict=True)
    }
    asked, other = answers[0], answers[1]
    n_asked, n_other = (sum(item == answer for item in answers.values()) for answer in (asked, other))
    titles = [f"title {asked}", f"TITLE {other}", "something else", "Title 1000"]
    # the first source user is the target's first, who has touched their own answer there; the second its second
    shared = source(titles, [[0, 2], [2, 3], [1]], ("user 0", "user 1", "nobody"))
    shared = replace(shared, item_ids=np.array(["x", "y", "item 0", "z"]))
    assert overlap(shared, task) == Overlap(users=2, items=1, titles=2, answers=n_asked + n_other, answers_of_user=1)
    (warning,) = source_warnings(shared, task)
    assert warning == (
        f"source elsewhere trains on the titles of {n_asked + n_other} of {N_USERS} test positives, 1 of them for the "
        "same user (in common with the target: 2 users, 1 item, 2 titles)"
    )


def test_what_a_source_lists_but_does_not_train_on_is_not_in_common(tmp_path: Path) -> None:
    task = prepared(tmp_path, "warm")
    listed = source([*target().titles, "something else"], [[N_ITEMS], []], ("nobody", "user 0"))
    assert overlap(listed, task) == Overlap(users=0, items=0, titles=0, answers=0, answers_of_user=0)


def test_numbers_are_no_ids_that_two_datasets_share(tmp_path: Path) -> None:
    numbers = np.array([str(number) for number in range(N_USERS)])
    task = prepared(tmp_path, "warm", replace(target(), user_ids=numbers))
    shared = source(list(target().titles), [[*range(N_ITEMS)]], ("0",))
    found = overlap(shared, task)
    assert (found.users, found.answers_of_user, found.items) == (None, None, 0)
    (warning,) = source_warnings(shared, task)
    assert warning == (
        f"source elsewhere trains on the titles of {N_USERS} of {N_USERS} test positives (in common with the target: "
        f"0 items, {N_ITEMS} titles)"
    )
