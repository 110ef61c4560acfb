from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.errors import BenchError
from bench.files.hashing import content_hash
from bench.files.store import ArtifactStore
from bench.plugin import Queries
from bench.protocol.candidates import TitleGroups
from bench.protocol.splits import source_training
from bench.protocol.task import check_leakage, prepare_task
from bench.protocol.user_split import (
    LEFT_OUT,
    TEST,
    TRAIN,
    VALIDATION,
    check_asked_users,
    user_parts,
    with_short_titles,
)
from bench.spec import ProtocolSpec, RunSpec
from tests.support.text_toys import domain_of
from tests.support.timed_toy import DAY, numbered, prepared, random_timed, sequence, timed_domain


def test_one_interaction_of_each_day_is_kept_an_item_once_and_the_latest_fifteen() -> None:
    one_a_day = [(item, item) for item in range(6)]
    twice = [(7, 1), (8, 2), (7, 3), (9, 4), (10, 5), (11, 6)]
    long = [(item, item) for item in range(20)]
    too_short = [(item, item) for item in range(4)]
    too_short_by_days = [(item, item // 2) for item in range(8)]
    busy_day = [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5)]
    domain = timed_domain([one_a_day, twice, long, too_short, too_short_by_days, busy_day])
    parts = user_parts(domain, 0)
    assert sequence(domain, parts, 0) == [0, 1, 2, 3, 4, 5]
    assert sequence(domain, parts, 1) == [7, 8, 9, 10, 11]
    assert sequence(domain, parts, 2) == list(range(5, 20))
    assert sequence(domain, parts, 3) == sequence(domain, parts, 4) == []
    first, *rest = sequence(domain, parts, 5)
    assert first in (0, 1, 2)
    assert rest == [3, 4, 5, 6]
    assert parts.part[3] == parts.part[4] == LEFT_OUT
    assert LEFT_OUT not in parts.part[[0, 1, 2, 5]]


def test_every_interaction_of_a_day_is_drawn_equally_often_and_anew_for_another_seed() -> None:
    histories = [[(0, 1), (1, 1), (2, 1), *((item, item) for item in range(3, 7))]] * 3000
    domain = timed_domain(histories)
    drawn = [np.bincount(domain.items[user_parts(domain, seed).kept], minlength=3)[:3] for seed in (0, 1)]
    assert [counts.sum() for counts in drawn] == [3000, 3000]
    assert all(stats.chisquare(counts).pvalue > 0.001 for counts in drawn)
    assert not np.array_equal(user_parts(domain, 0).kept, user_parts(domain, 1).kept)


def test_a_day_s_interactions_need_not_stand_together() -> None:
    """Positions may order events otherwise than their times do."""
    domain = timed_domain([[(0, 1), (1, 2), (2, 1), (3, 3), (4, 4), (5, 5)]] * 40)
    for user in range(40):
        kept = sequence(domain, user_parts(domain, 0), user)
        assert len({0, 2} & set(kept)) == 1
        assert [item for item in kept if item not in (0, 2)] == [1, 3, 4, 5]


def test_an_interaction_without_a_time_is_left_out() -> None:
    domain = timed_domain([[(item, item) for item in range(7)]])
    times = np.array(domain.timestamps)
    times[6] = -1
    untimed = replace(domain, timestamps=times)
    assert sequence(untimed, user_parts(untimed, 0), 0) == [0, 1, 2, 3, 4, 5]


def test_users_are_parted_three_to_one_to_one() -> None:
    domain = timed_domain([[(item, item) for item in range(5)]] * 10_000)
    shares = np.bincount(user_parts(domain, 0).part, minlength=4) / 10_000
    assert shares[LEFT_OUT] == 0
    assert shares[[TRAIN, VALIDATION, TEST]] == pytest.approx([0.6, 0.2, 0.2], abs=0.015)


def test_a_user_s_part_is_the_same_on_every_platform() -> None:
    domain = timed_domain([[(item, item) for item in range(5)]] * 5)
    ids = np.array(["A1YJEY40UUW4SE", "AQW172A5SG5OC", "100", "user 0", "ü"])
    assert user_parts(replace(domain, user_ids=ids), 0).part.tolist() == [TEST, TEST, TRAIN, TRAIN, VALIDATION]
    assert user_parts(replace(domain, user_ids=ids), 1).part.tolist() == [TRAIN, TRAIN, TEST, VALIDATION, TRAIN]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_other_users_change_neither_part_nor_sequence(seed: int) -> None:
    domain = random_timed(30, seed)
    rng = np.random.default_rng(seed)
    known = np.sort(rng.permutation(30)[:11])
    fewer = replace(
        domain.keeping(np.isin(domain.users_of_interactions(), known)),
        user_ids=domain.user_ids[known],
        indptr=np.concatenate([[0], np.cumsum(np.diff(domain.indptr)[known])]),
    )
    all_parts, some = user_parts(domain, 0), user_parts(fewer, 0)
    assert np.array_equal(some.part, all_parts.part[known])
    for place, user in enumerate(known):
        assert sequence(fewer, some, place) == sequence(domain, all_parts, int(user))


def test_the_same_spec_gives_the_same_lists_everywhere_and_another_seed_other_users(tmp_path: Path) -> None:
    domain = random_timed()
    first, again = prepared(domain, tmp_path / "a"), prepared(domain, tmp_path / "b")
    assert first.candidates_hash == again.candidates_hash == "1c2d8f545ae4f0f5"
    assert first.candidates_hash == prepared(domain, tmp_path / "a").candidates_hash
    other = prepared(domain, tmp_path / "a", seed=1)
    assert other.candidates_hash != first.candidates_hash
    assert not np.array_equal(other.test.queries.users, first.test.queries.users)


def test_other_times_or_ids_under_the_same_histories_have_lists_of_their_own(tmp_path: Path) -> None:
    domain = random_timed()
    renamed = replace(domain, user_ids=np.array([f"buyer {user}" for user in range(domain.n_users)]))
    slower = replace(domain, timestamps=np.arange(domain.n_interactions) * DAY)
    hashes = {prepared(each, tmp_path).candidates_hash for each in (domain, renamed, slower)}
    assert len(hashes) == 3


def test_the_notes_count_the_users_of_each_part(tmp_path: Path) -> None:
    task = prepared(random_timed(), tmp_path)
    n_train = int((np.diff(task.training.indptr) > 0).sum())
    n_all = n_train + len(task.validation) + len(task.test)
    assert f"{n_all} of 400 users have 5 unique items or more" in task.domain.notes[0]
    assert f"{n_train} train, {len(task.validation)} validate, {len(task.test)} test." in task.domain.notes[0]
    n_unseen = (task.training.item_counts()[task.test.lists.positives] == 0).sum()
    assert f"{n_unseen} of {len(task.test)} test positives occur in no training sequence" in task.domain.notes[1]


def test_a_set_without_timestamps_is_refused_unless_its_card_lets_the_order_stand(tmp_path: Path) -> None:
    domain = domain_of([list(range(user % 50, user % 50 + 9)) for user in range(200)], numbered())
    with pytest.raises(BenchError, match=r"'toy' has no timestamps, and the user-split .* Use --setting warm, or set"):
        prepared(domain, tmp_path)
    with pytest.raises(BenchError, match="'toy' has no timestamps"):
        source_training(domain, ProtocolSpec("target", "user-split"))
    task = prepared(replace(domain, order_as_days=True), tmp_path)
    assert task.warnings[0] == "toy has no timestamps: each interaction counts as a day of its own"
    assert set(np.diff(task.test.queries.history_indptr)) == {8}


def test_too_few_users_for_a_part_are_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="'toy' has no test query in the user-split setting"):
        prepared(timed_domain([[(item, item) for item in range(4)]] * 50), tmp_path)


def test_an_asked_user_in_the_training_part_is_found(tmp_path: Path) -> None:
    task = prepared(random_timed(), tmp_path)
    leaking = replace(task, training=task.domain)
    with pytest.raises(BenchError, match="test users of toy also occur in another part"):
        check_leakage(leaking, TitleGroups.of(task.domain))
    with pytest.raises(BenchError, match=f"{len(task.test)} users of toy are asked for"):
        check_leakage(replace(task, validation=task.test), TitleGroups.of(task.domain))


@pytest.mark.parametrize("history", [[1, 2, 3], [1, 2, 3, 1], [1, 2, 3, 9], list(range(10, 25))])
def test_a_query_that_is_no_sequence_of_unique_items_is_found(history: list[int]) -> None:
    domain = timed_domain([[]])
    queries = Queries(
        users=np.array([0]),
        history_indptr=np.array([0, len(history)]),
        history_items=np.array(history, dtype=np.int32),
        candidates=np.zeros((1, 30), dtype=np.int32),
    )
    with pytest.raises(BenchError, match="A query of toy is no sequence of 5 to 15 unique items"):
        check_asked_users(domain, [(queries, np.array([9], dtype=np.int32))])


def test_short_titles_keep_what_is_short() -> None:
    titles = ["", "a b c", "1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 8 9"]
    assert with_short_titles(domain_of([[]], titles)).titles == ("", "a b c", "1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 8")


@pytest.mark.parametrize(
    ("spec", "protocol_hash", "run_id"),
    [
        (ProtocolSpec("beauty"), "da91f5ae36aa3b92", "a2bac6786129007e"),
        (ProtocolSpec("beauty", "cold"), "0ea19f1ee611af34", "a85ac413cd7824b1"),
        (ProtocolSpec("beauty", "cold", "natural", 3), "3a9256c978410f46", "fc31b46917c59b5f"),
        (ProtocolSpec("toys", seed=1, n_negatives=99), "10267316b4aab8c9", "ff01167abe422034"),
    ],
)
def test_specs_of_the_older_settings_keep_their_hashes(spec: ProtocolSpec, protocol_hash: str, run_id: str) -> None:
    assert content_hash(spec.key()) == protocol_hash
    assert RunSpec("bpr", spec, {"dimensions": 64}, seed=2).hash() == run_id


@pytest.mark.parametrize(
    ("setting", "test_hash", "validation_hash"),
    [("warm", "c531f47b0a44950f", "28a391192ab16cb2"), ("cold", "731d1bd1d2993e4a", "55cc45a2dd557c5f")],
)
def test_lists_of_the_older_settings_keep_their_hashes(
    tmp_path: Path, setting: Any, test_hash: str, validation_hash: str
) -> None:
    rng = np.random.default_rng(1)
    histories = [[int(i) for i in rng.permutation(80)[: rng.integers(3, 12)]] for _ in range(60)]
    task = prepare_task(
        domain_of(histories, numbered(80)), ProtocolSpec("toy", setting, seed=2), ArtifactStore(tmp_path)
    )
    assert (task.candidates_hash, task.validation.hash) == (test_hash, validation_hash)


def test_natural_cold_lists_keep_their_hashes(tmp_path: Path) -> None:
    blocks = [[*range(start, start + 20)] for start in range(0, 60, 20)]
    domain = domain_of([[1, 2, 3, 60], [2, 3, 1, 4], [3, 1, 2, 61], *blocks], numbered(62))
    task = prepare_task(domain, ProtocolSpec("toy", "cold", "natural"), ArtifactStore(tmp_path))
    assert (task.candidates_hash, task.validation.hash) == ("88151d0ff823b948", "640beb8856918b8a")


@pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="needs the real data in BENCH_DATA")
@pytest.mark.parametrize(("name", "n_users"), [("beauty", (5_877, 2_067, 2_033)), ("toys", (4_353, 1_410, 1_452))])
def test_real_data_have_these_users_in_each_part(name: str, n_users: tuple[int, int, int], tmp_path: Path) -> None:
    from bench.data import load_domain

    task = prepared(load_domain(name, Path(os.environ["BENCH_DATA"]), tmp_path), tmp_path)
    n_train = int((np.diff(task.training.indptr) > 0).sum())
    assert (n_train, len(task.validation), len(task.test)) == n_users
    assert task.training.items.max() < task.domain.n_items
