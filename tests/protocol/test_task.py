from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.data.domain import Domain
from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.plugin import Answers, Queries
from bench.protocol.candidates import CandidateLists, TitleGroups
from bench.protocol.splits import share_of_training, split_domain, users_of_training
from bench.protocol.task import WARM_VALIDATION, PreparedTask, QuerySet, check_leakage, prepare_task
from bench.spec import ProtocolSpec
from tests.support.text_toys import domain_of

N_ITEMS = 80


def random_domain(n_users: int = 300, seed: int = 0, n_items: int = N_ITEMS) -> Domain:
    rng = np.random.default_rng(seed)
    histories = [[int(i) for i in rng.permutation(n_items)[: rng.integers(3, 12)]] for _ in range(n_users)]
    return domain_of(histories, [f"title {item}" for item in range(n_items)])


def prepared(
    domain: Domain, folder: Path, setting: str = "warm", policy: str = "holdout", seed: int = 0
) -> PreparedTask:
    return prepare_task(domain, ProtocolSpec(domain.name, setting, policy, seed), ArtifactStore(folder))  # type: ignore[arg-type]


def test_leave_one_out_trains_up_to_four_validates_on_five_and_tests_on_six(tmp_path: Path) -> None:
    titles = [f"title {item}" for item in range(60)]
    task = prepared(domain_of([[1, 2, 3, 4, 5, 6]], titles), tmp_path)
    assert task.training.history(0).tolist() == [1, 2, 3, 4]
    assert task.validation.queries.history(0).tolist() == [1, 2, 3, 4]
    assert task.validation.lists.positives.tolist() == [5]
    assert task.test.queries.history(0).tolist() == [1, 2, 3, 4, 5]
    assert task.test.lists.positives.tolist() == [6]


def test_a_user_with_two_interactions_is_trained_on_whole(tmp_path: Path) -> None:
    titles = [f"title {item}" for item in range(60)]
    task = prepared(domain_of([[1, 2, 3, 4], [7, 8]], titles), tmp_path)
    assert task.training.history(1).tolist() == [7, 8]
    assert task.test.queries.users.tolist() == [0]


def test_holdout_removes_its_items_from_train_validation_and_histories(tmp_path: Path) -> None:
    domain = random_domain()
    task = prepared(domain, tmp_path, "cold")
    cold = task.cold_items
    assert cold.sum() == round(0.1 * N_ITEMS)
    assert not cold[task.training.items].any()
    assert not cold[task.validation.lists.positives].any()
    assert not cold[task.test.queries.history_items].any()
    assert cold[task.test.lists.positives].all()
    assert not cold[task.validation.queries.candidates].any()


def test_a_cold_task_says_that_validation_asks_for_warm_items(tmp_path: Path) -> None:
    cold, warm = (prepared(random_domain(), tmp_path, setting) for setting in ("cold", "warm"))
    assert not cold.cold_items[cold.validation.lists.positives].any()
    assert cold.domain.notes == (WARM_VALIDATION,)
    assert warm.domain.notes == ()


def test_natural_cold_asks_only_for_items_that_no_train_or_validation_part_holds(tmp_path: Path) -> None:
    everything_but_two = [[*range(start, start + 20)] for start in range(0, 60, 20)]
    histories = [[1, 2, 3, 60], [2, 3, 1, 4], [3, 1, 2, 61], *everything_but_two]
    task = prepared(domain_of(histories, [f"title {item}" for item in range(62)]), tmp_path, "cold", "natural")
    assert task.test.queries.users[:2].tolist() == [0, 2]
    assert task.test.lists.positives[:2].tolist() == [60, 61]
    assert 1 not in task.test.queries.users
    assert any("cold queries: differences" in warning for warning in task.warnings)


def test_a_domain_without_cold_items_is_refused_by_name(tmp_path: Path) -> None:
    titles = [f"title {item}" for item in range(60)]
    with pytest.raises(BenchError, match="'toy' has no test query in the cold setting"):
        prepared(domain_of([[1, 2, 3, 1], [*range(60)], [*range(59, -1, -1)]], titles), tmp_path, "cold", "natural")


@given(seed=st.integers(0, 10_000), setting=st.sampled_from(["warm", "cold"]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_candidates_are_distinct_untouched_and_hold_one_positive(
    seed: int, setting: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    domain = random_domain(n_users=120, seed=seed)  # of 60, in one cold split of 500 nobody ends on a cold item
    task = prepared(domain, tmp_path_factory.mktemp("artifacts"), setting, seed=seed)
    queries, answers = task.test.queries, task.test.answers
    for row in range(len(queries)):
        candidates = queries.candidates[row].tolist()
        touched = set(domain.history(int(queries.users[row])).tolist())
        assert len(set(candidates)) == 30
        assert touched & set(candidates) == {candidates[answers.positive_column[row]]}


def test_two_items_with_one_normalized_title_never_share_a_list(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    titles = [f"Title {item // 2}" if item % 2 else f" TITLE  {item // 2}" for item in range(120)]
    histories = [[int(i) for i in rng.permutation(120)[:5]] for _ in range(200)]
    task = prepared(domain_of(histories, titles), tmp_path)
    groups = task.test.queries.candidates // 2
    assert all(len(set(row)) == 30 for row in groups.tolist())


def test_untitled_items_of_a_titled_domain_are_no_candidates(tmp_path: Path) -> None:
    domain = random_domain()
    titles = list(domain.titles)
    titles[7] = titles[30] = ""
    task = prepared(domain_of([domain.history(user).tolist() for user in range(domain.n_users)], titles), tmp_path)
    assert not np.isin(task.test.queries.candidates, [7, 30]).any()


def test_an_untitled_domain_has_candidates_all_the_same(tmp_path: Path) -> None:
    domain = random_domain()
    untitled = domain_of([domain.history(user).tolist() for user in range(domain.n_users)], [""] * N_ITEMS)
    assert len(prepared(untitled, tmp_path).test) == domain.n_users


def test_too_few_eligible_items_are_an_error_that_names_the_user(tmp_path: Path) -> None:
    titles = [f"title {item}" for item in range(31)]
    with pytest.raises(BenchError, match=r"User 'user 0' .* has only 27 possible negatives, but 29"):
        prepared(domain_of([[0, 1, 2, 3]], titles), tmp_path)


def test_the_positive_stands_in_every_column_equally_often(tmp_path: Path) -> None:
    task = prepared(random_domain(n_users=3000), tmp_path)
    counts = np.bincount(task.test.answers.positive_column, minlength=30)
    assert stats.chisquare(counts).pvalue > 0.001


def test_negatives_are_uniform_over_the_catalogue(tmp_path: Path) -> None:
    domain = domain_of([[0, 1, 2]] * 3000, [f"title {item}" for item in range(N_ITEMS)])
    task = prepared(domain, tmp_path)
    negatives = task.test.queries.candidates[task.test.queries.candidates > 2]
    assert stats.chisquare(np.bincount(negatives, minlength=N_ITEMS)[3:]).pvalue > 0.001


def test_the_same_spec_gives_the_same_lists_everywhere(tmp_path: Path) -> None:
    first, again = prepared(random_domain(), tmp_path / "a"), prepared(random_domain(), tmp_path / "b")
    assert first.candidates_hash == again.candidates_hash == "816af8b40606ff33"
    assert np.array_equal(first.test.queries.candidates, again.test.queries.candidates)


def test_another_seed_or_setting_has_another_hash(tmp_path: Path) -> None:
    domain = random_domain()
    tasks = [prepared(domain, tmp_path, setting, seed=seed) for setting in ("warm", "cold") for seed in (0, 1)]
    assert len({task.candidates_hash for task in tasks}) == 4


def test_the_cold_policy_changes_no_warm_list(tmp_path: Path) -> None:
    hashes = {prepared(random_domain(), tmp_path / p, "warm", p).candidates_hash for p in ("holdout", "natural")}
    assert len(hashes) == 1


def test_a_sample_of_queries_keeps_the_full_set_s_lists_and_hash(tmp_path: Path) -> None:
    test = prepared(random_domain(), tmp_path).test
    sample = test.sample(40, seed=0)
    rows = np.searchsorted(test.queries.users, sample.queries.users)
    assert len(sample) == 40
    assert sample.hash == test.hash
    assert np.array_equal(sample.queries.candidates, test.queries.candidates[rows])
    assert np.array_equal(sample.lists.positives, test.lists.positives[rows])
    assert [sample.queries.history(i).tolist() for i in range(40)] == [test.queries.history(i).tolist() for i in rows]


def test_a_cold_positive_in_a_training_part_is_found(tmp_path: Path) -> None:
    task = prepared(random_domain(), tmp_path, "cold")
    leaking = PreparedTask(task.spec, task.domain, task.domain, task.validation, task.test, task.cold_items)
    with pytest.raises(BenchError, match="cold test items occur in the training or validation data"):
        check_leakage(leaking, TitleGroups.of(task.domain))


def test_a_negative_that_the_user_touched_is_found(tmp_path: Path) -> None:
    task = prepared(random_domain(), tmp_path)
    lists = CandidateLists(task.test.queries.candidates.copy(), task.test.answers.positive_column)
    row, column = 5, (int(lists.positive_column[5]) + 1) % 30
    lists.items[row, column] = task.domain.history(int(task.test.queries.users[row]))[0]
    with pytest.raises(BenchError, match="a negative that its user touched"):
        TitleGroups.of(task.domain).check(task.domain, task.test.queries.users, lists)


def test_a_list_with_one_title_twice_is_found(tmp_path: Path) -> None:
    task = prepared(random_domain(), tmp_path)
    lists = CandidateLists(task.test.queries.candidates.copy(), task.test.answers.positive_column)
    negatives = [column for column in range(30) if column != lists.positive_column[0]][:2]
    lists.items[0, negatives[0]] = lists.items[0, negatives[1]]
    with pytest.raises(BenchError, match="two items with one title"):
        TitleGroups.of(task.domain).check(task.domain, task.test.queries.users, lists)


def test_positives_always_in_the_first_column_are_found(tmp_path: Path) -> None:
    task = prepared(random_domain(), tmp_path)
    rows = np.arange(len(task.test))
    items = task.test.queries.candidates.copy()
    column = task.test.answers.positive_column
    items[rows, column], items[:, 0] = items[:, 0].copy(), items[rows, column].copy()
    with pytest.raises(BenchError, match="not distributed evenly"):
        TitleGroups.of(task.domain).check(
            task.domain, task.test.queries.users, CandidateLists(items, np.zeros(len(rows), dtype=np.int64))
        )


def test_a_changed_candidate_file_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    domain = random_domain()
    prepared(domain, tmp_path)
    for path in tmp_path.glob("candidates/*/candidates.parquet"):
        table = pq.read_table(path)
        column = pa.array((table.column("positive_column").to_numpy() + 1) % 30, type=pa.int16())
        pq.write_table(table.set_column(1, "positive_column", column), path)
    with pytest.raises(BenchError, match="does not match its hash"):
        prepared(domain, tmp_path)


def test_an_unreadable_candidate_file_is_refused(tmp_path: Path) -> None:
    domain = random_domain()
    prepared(domain, tmp_path)
    for path in tmp_path.glob("candidates/*/candidates.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BenchError, match="cannot be read"):
        prepared(domain, tmp_path)


def test_queries_and_answers_are_apart() -> None:
    assert "positive_column" not in Queries.__dataclass_fields__
    assert set(Answers.__dataclass_fields__) == {"positive_column"}
    assert set(QuerySet.__dataclass_fields__) == {"queries", "answers", "hash"}


def test_warm_split_takes_every_interaction_once() -> None:
    domain = random_domain()
    split = split_domain(domain, ProtocolSpec("toy"))
    parts = np.concatenate([np.flatnonzero(split.train), split.validation, split.test])
    assert np.array_equal(np.sort(parts), np.arange(domain.n_interactions))


def test_shares_of_the_training_part_are_nested_and_as_large_as_asked_for() -> None:
    domain = random_domain()
    parts = [share_of_training(domain, share, 0) for share in (0.1, 0.2, 0.3, 1.0)]
    kept = [set(np.flatnonzero(np.diff(part.indptr))) for part in parts]
    assert kept[0] < kept[1] < kept[2] < kept[3]
    longest = np.diff(domain.indptr).max()
    for share, part in zip((0.1, 0.2, 0.3), parts, strict=False):
        wanted = share * domain.n_interactions
        assert wanted <= part.n_interactions < wanted + longest
        assert all(len(part.history(user)) in (0, len(domain.history(user))) for user in range(domain.n_users))
    assert parts[-1] is domain
    assert part.titles == domain.titles
    assert set(np.flatnonzero(np.diff(share_of_training(domain, 0.1, 1).indptr))) != kept[0]


def test_users_of_one_subset_are_nested_and_those_of_another_drawn_anew() -> None:
    domain = random_domain()
    trained = domain.keeping(domain.users_of_interactions() % 3 > 0)  # as validation users under user-split
    kept = [set(np.flatnonzero(np.diff(users_of_training(trained, n, 1, 0).indptr))) for n in (20, 50, 200)]
    assert [len(users) for users in kept] == [20, 50, 200]
    assert kept[0] < kept[1] < kept[2]
    part = users_of_training(trained, 20, 1, 0)
    assert all(len(part.history(user)) in (0, len(domain.history(user))) for user in range(domain.n_users))
    for subset, seed in ((0, 0), (2, 0), (1, 1)):
        others = set(np.flatnonzero(np.diff(users_of_training(trained, 20, subset, seed).indptr)))
        assert len(others & kept[0]) < 10
    with pytest.raises(BenchError, match="--train-users is 201, but 'toy' has only 200 users"):
        users_of_training(trained, 201, 0, 0)


@pytest.mark.skipif(not os.environ.get("BENCH_DATA"), reason="needs the real data in BENCH_DATA")
def test_beauty_s_cold_hold_out_has_about_a_tenth_of_the_users(tmp_path: Path) -> None:
    from bench.data import load_domain

    domain = load_domain("beauty", Path(os.environ["BENCH_DATA"]), tmp_path)
    sizes = [len(prepared(domain, tmp_path, "cold", seed=seed).test) for seed in range(3)]
    assert all(1_900 <= size <= 2_600 for size in sizes)
    assert len(prepared(domain, tmp_path, "cold", "natural").test) == 52
