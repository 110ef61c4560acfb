from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.baselines import mcrpl
from bench.baselines.mcrpl import MCRPL, TARGET
from bench.baselines.networks.mcrpl import Packed, orthogonality_penalty
from torch.nn.functional import cross_entropy

from bench.files.store import ArtifactStore
from bench.learning.sequences import last_stretches
from bench.metrics import Metric, chance, per_user, rank_positive
from bench.plugin import Answers, Queries, Task
from bench.registry import registry
from tests.support.recbole_toy import domain_of, ndcg_at_1, planted_successors, queries_of, task_of

QUICK = {
    "batch_size": 16,
    "learning_rate": 1e-2,
    "dimensions": 16,
    "inner_dimensions": 32,
    "max_length": 12,
    "dropout": 0.1,
    "source_epochs": 3,
    "epochs": 3,
}
UNTRAINED = {"source_epochs": 0, "epochs": 0, "dropout": 0.0}
SIZES = (60, 45, 50)


def with_sources(task: Task, folder: Path) -> Task:
    """Two more catalogues of successors, of other sizes."""
    sources = [planted_successors(folder, n_users=30, n_items=n_items, seed=n_items)[0].target for n_items in SIZES[1:]]
    return replace(task, sources=tuple(replace(source, name=f"source {n}") for n, source in enumerate(sources)))


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return with_sources(planted_successors(tmp_path, n_users=20)[0], tmp_path)


def fitted(task: Task, **params: object) -> MCRPL:
    recommender = MCRPL(MCRPL.Params(**{**QUICK, **params}))
    recommender.fit(task)
    recommender.model.eval()
    return recommender


def cold_task(folder: Path) -> tuple[Task, Queries, Answers]:
    """Every sixth item is in nobody's training history, and is the answer of each query."""
    rng = np.random.default_rng(0)
    cold = set(range(0, 60, 6))
    histories = [[item % 60 for item in range(start, start + 9) if item % 60 not in cold] for start in range(60)] * 2
    validation = queries_of(histories, [(history[-1] + 2) % 60 for history in histories], 60, rng)
    task = with_sources(task_of(domain_of(histories, 60), validation, folder), folder)
    before = [list(range(positive - 5, positive)) for positive in sorted(cold) if positive] * 20
    return task, *queries_of(before, [history[-1] + 1 for history in before], 60, rng)


def prefix_vectors(recommender: MCRPL, domain: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The last vector of every prefix, each encoded by itself, and the item after it."""
    source, vectors, answers = recommender.domains[domain], [], []
    for user in range(source.n_users):
        history = source.history(user).astype(np.int64)
        for end in range(1, len(history)):
            vectors.append(recommender.model.encode(domain, torch.from_numpy(history[:end]), np.array([end]))[-1])
            answers.append(history[end])
    return torch.stack(vectors), torch.tensor(answers)


def loss_of(recommender: MCRPL, stage: str, domain: int) -> torch.Tensor:
    rows = np.arange(len(recommender.sequences[domain]))
    return recommender.loss(stage, domain, rows, np.random.default_rng(0))


def test_the_successor_of_each_item_is_learned(tmp_path: Path) -> None:
    task, queries, answers = planted_successors(tmp_path)
    assert ndcg_at_1(fitted(with_sources(task, tmp_path), epochs=6), queries, answers) >= 0.9


def test_shuffled_labels_are_scored_at_chance(tmp_path: Path) -> None:
    task, queries, answers = planted_successors(tmp_path, n_users=200, shuffled=True)
    by_chance = chance(Metric("ndcg", 1))
    standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
    reached = ndcg_at_1(fitted(with_sources(task, tmp_path)), queries, answers)
    assert reached == pytest.approx(by_chance, abs=3.5 * standard_error)


@pytest.mark.parametrize("domain", [0, 1])
def test_all_positions_at_once_lose_what_one_prefix_at_a_time_does(task: Task, domain: int) -> None:
    recommender = fitted(task, **UNTRAINED)
    vectors, answers = prefix_vectors(recommender, domain)
    one_at_a_time = cross_entropy(vectors @ recommender.model.classes[domain].T, answers)
    assert loss_of(recommender, "all domains", domain).item() == pytest.approx(one_at_a_time.item(), abs=1e-5)


def test_all_positions_at_once_have_the_gradient_of_one_prefix_at_a_time(task: Task) -> None:
    recommender = fitted(task, **UNTRAINED)
    vectors, answers = prefix_vectors(recommender, TARGET)
    one_at_a_time = cross_entropy(vectors @ recommender.model.classes[TARGET].T, answers)
    weights = [recommender.model.items[TARGET], recommender.model.shared, recommender.model.query.weight]
    expected = torch.autograd.grad(one_at_a_time, weights)
    torch.testing.assert_close(
        torch.autograd.grad(loss_of(recommender, "all domains", TARGET), weights), expected, rtol=1e-3, atol=1e-6
    )


def test_a_sequence_reads_neither_its_neighbors_nor_later_items(task: Task) -> None:
    recommender = fitted(task, **UNTRAINED)
    items = torch.arange(10)
    together = recommender.model.encode(TARGET, items, np.array([2, 2, 6]))
    alone = recommender.model.encode(TARGET, items[4:], np.array([6]))
    torch.testing.assert_close(together[4:], alone)
    changed = recommender.model.encode(TARGET, torch.cat([items[4:9], torch.tensor([50])]), np.array([6]))
    torch.testing.assert_close(changed[:5], alone[:5])
    assert not torch.isclose(changed[5], alone[5], atol=1e-3).all()


def test_a_position_is_mixed_with_the_prompts_as_weighted_by_the_network_on_pairs(task: Task) -> None:
    model = fitted(task, **UNTRAINED).model
    step = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    contexts = torch.cat([model.shared, model.specific[1], step])
    pairs = torch.cat([contexts, step.expand(5, -1)], dim=1)
    first = torch.cat([model.mix_context.weight, model.mix_item.weight], dim=1)
    weights = ((pairs @ first.T + model.mix_item.bias).relu() @ model.mix_weight.weight.T).softmax(dim=0)
    torch.testing.assert_close(model.mixed(step, 1), (weights * contexts).sum(dim=0, keepdim=True))


def test_the_coded_penalty_is_four_over_d_squared_whatever_the_prompts_and_the_clean_one_their_cosines() -> None:
    d = 10
    first, second = torch.eye(d)[[0, 0]], torch.eye(d)[[1, 1]]
    for shared in (first, second):
        assert orthogonality_penalty(first, shared, "coded").item() == pytest.approx(4 / d**2)
    assert orthogonality_penalty(first, second, "clean").item() == 0
    assert orthogonality_penalty(first, 3 * first, "clean").item() == pytest.approx(1)


@pytest.mark.parametrize("form", ["clean", "coded"])
def test_the_second_stages_logits_are_masked_to_the_targets_ids(task: Task, form: str) -> None:
    recommender = fitted(task, **UNTRAINED, orthogonality=form, penalty=0.5)
    model = recommender.model
    vectors, answers = prefix_vectors(recommender, TARGET)
    logits = vectors @ torch.cat(list(model.classes)).T
    logits[:, SIZES[TARGET] :] = -torch.inf
    penalty = orthogonality_penalty(model.specific[TARGET], model.shared, form)
    loss = loss_of(recommender, "target", TARGET)
    assert loss.item() == pytest.approx((cross_entropy(logits, answers) + 0.5 * penalty).item(), abs=1e-5)
    loss.backward()
    for tables in (model.items, model.classes, model.specific):
        assert [table.grad is not None for table in tables] == [True, False, False]


def test_the_first_stage_can_be_over_the_ids_of_all_domains(task: Task) -> None:
    recommender = fitted(task, **UNTRAINED, softmax="all")
    for domain, offset in enumerate((0, 60, 105)):
        vectors, answers = prefix_vectors(recommender, domain)
        expected = cross_entropy(vectors @ torch.cat(list(recommender.model.classes)).T, answers + offset)
        assert loss_of(recommender, "all domains", domain).item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("softmax", ["sampled", "domain", "all"])
def test_zero_heads_lose_the_logarithm_of_the_number_of_classes(
    task: Task, softmax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcrpl, "SAMPLED_CLASSES", 1)
    recommender = fitted(task, **UNTRAINED, softmax=softmax)
    for table in recommender.model.classes:
        table.data.zero_()
    rows = np.array([0])
    n_answers = recommender.sequences[1].lengths[0]  # all distinct, and the drawn item may be one of them
    sources = {"sampled": [n_answers, n_answers + 1], "domain": [45], "all": [155]}[softmax]
    targets = [155] if softmax == "all" else [60]
    for domain, allowed in ((TARGET, targets), (1, sources)):
        loss = recommender.loss("all domains", domain, rows, np.random.default_rng(0)).item()
        assert round(math.exp(loss), 2) in allowed


def test_a_sampled_softmax_over_a_small_domain_is_that_over_the_domain(task: Task) -> None:
    sampled, whole = (fitted(task, **UNTRAINED, softmax=softmax) for softmax in ("sampled", "domain"))
    assert loss_of(sampled, "all domains", 1).item() == loss_of(whole, "all domains", 1).item()


def test_without_a_second_stage_the_weights_are_those_of_the_first(task: Task) -> None:
    first = fitted(task, epochs=0)
    other = fitted(task, epochs=0, penalty=0.5)
    for one, two in zip(first.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, two)
    assert first.records["target"].epochs == 0


def test_a_second_stage_without_data_and_penalty_leaves_the_weights(task: Task) -> None:
    empty = replace(task.target, indptr=np.zeros(21, np.int64), items=np.empty(0, np.int32))
    before = fitted(replace(task, target=empty), epochs=0, penalty=0.0)
    after = fitted(replace(task, target=empty), epochs=2, penalty=0.0)
    assert after.records["target"].epochs == 2
    for one, two in zip(before.model.parameters(), after.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_second_stage_trains_the_target_and_leaves_the_tables_of_the_sources(task: Task) -> None:
    before, after = (fitted(task, epochs=epochs).model for epochs in (0, 2))
    for tables in ("items", "classes", "specific"):
        same = [torch.equal(*pair) for pair in zip(getattr(before, tables), getattr(after, tables), strict=True)]
        assert same == [False, True, True]


def test_the_second_stage_can_train_the_targets_prompts_alone(task: Task) -> None:
    before, after = (fitted(task, trains="prompts", epochs=epochs).model for epochs in (0, 2))
    pairs = zip(before.state_dict().items(), after.state_dict().items(), strict=True)
    assert [name for (name, one), (_, two) in pairs if not torch.equal(one, two)] == ["specific.0"]


def test_the_clean_penalty_turns_the_targets_prompts_away_from_the_shared_ones(task: Task) -> None:
    reached = []
    for penalty in (0.0, 10.0):
        model = fitted(task, penalty=penalty, epochs=20, patience=20).model
        reached.append(orthogonality_penalty(model.specific[TARGET], model.shared, "clean").item())
    assert reached[1] < reached[0] / 2


def test_a_cold_item_keeps_its_vectors_and_is_no_class(tmp_path: Path) -> None:
    task, _, _ = cold_task(tmp_path)
    cold = np.arange(0, 60, 6)
    fresh, trained = fitted(task, **UNTRAINED), fitted(task, weight_decay=0.1)
    for tables in ("items", "classes"):
        before, after = (getattr(recommender.model, tables)[TARGET] for recommender in (fresh, trained))
        assert torch.equal(before[cold], after[cold])
        warm = np.setdiff1d(np.arange(60), cold)
        assert not torch.isclose(before[warm], after[warm]).all(dim=1).any()
    fresh.model.classes[TARGET].data.zero_()
    assert loss_of(fresh, "all domains", TARGET).item() == pytest.approx(math.log(50), abs=1e-5)


@pytest.mark.parametrize("epochs", [1, 6])
def test_a_cold_item_is_scored_at_chance_at_most(tmp_path: Path, epochs: int) -> None:
    task, queries, answers = cold_task(tmp_path)
    ranks = rank_positive(fitted(task, epochs=epochs).score(queries), answers.positive_column)
    for cutoff in (1, 3, 5):
        by_chance = chance(Metric("ndcg", cutoff))
        standard_error = math.sqrt(by_chance * (1 - by_chance) / len(queries))
        assert per_user(ranks, Metric("ndcg", cutoff)).mean() <= by_chance + 3.5 * standard_error


def test_what_is_added_to_all_trained_classes_does_not_lift_a_cold_item(tmp_path: Path) -> None:
    task, queries, _ = cold_task(tmp_path)
    recommender = fitted(task)
    before = recommender.score(queries)
    recommender.model.classes[TARGET].data[recommender.classes[TARGET]] -= 5 * torch.ones(16)
    np.testing.assert_allclose(recommender.score(queries), before, rtol=1e-3, atol=1e-3)


def test_a_score_is_the_logit_of_the_last_position_less_the_mean_logit(tmp_path: Path) -> None:
    task, queries, _ = planted_successors(tmp_path)
    recommender = fitted(with_sources(task, tmp_path), epochs=1)
    scores = recommender.score(queries)
    for query in (0, 17):
        history = torch.from_numpy(queries.history(query)[-12:].astype(np.int64))
        vector = recommender.model.encode(TARGET, history, np.array([len(history)]))[-1]
        logits = (recommender.model.classes[TARGET] @ vector).detach().numpy()
        expected = logits[queries.candidates[query]] - logits.mean()
        np.testing.assert_allclose(scores[query], expected, rtol=1e-3, atol=1e-5)


def test_a_query_without_history_has_scores(task: Task) -> None:
    queries = task.validation.take(np.arange(4))
    empty = replace(queries, history_indptr=np.array([0, 0, 3, 3, 5]), history_items=np.arange(5, dtype=np.int32))
    scores = fitted(task, **UNTRAINED).score(empty)
    assert np.isfinite(scores).all()
    assert [np.ptp(row) > 0 for row in scores] == [False, True, False, True]


def test_only_the_last_items_of_a_long_history_are_read(task: Task) -> None:
    recommender = fitted(task, **UNTRAINED)
    queries = task.validation.take(np.array([0, 0]))
    history = np.random.default_rng(0).permutation(60)[:20].astype(np.int32)
    indptr = np.array([0, 20, 32])
    scores = recommender.score(replace(queries, history_indptr=indptr, history_items=np.append(history, history[-12:])))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-6)


def test_packed_sequences_lie_from_short_to_long_without_padding() -> None:
    indptr, items = np.array([0, 3, 4, 8]), np.array([5, 6, 7, 8, 1, 2, 3, 4], dtype=np.int32)
    packed = Packed.of(last_stretches(indptr, items, np.arange(3), 3), np.array([2, 1, 0]))
    assert packed.rows.tolist() == [1, 2, 0]
    assert packed.lengths.tolist() == [1, 3, 3]
    assert packed.items.tolist() == [8, 2, 3, 4, 5, 6, 7]


def test_permuting_candidates_permutes_scores(task: Task) -> None:
    recommender = fitted(task, epochs=1)
    order = np.random.default_rng(0).permutation(30)
    queries = task.validation
    permuted = recommender.score(replace(queries, candidates=queries.candidates[:, order]))
    np.testing.assert_allclose(permuted, recommender.score(queries)[:, order], rtol=1e-5, atol=1e-6)


def test_a_model_is_trained_once_and_scores_the_same_when_read_back(task: Task, monkeypatch) -> None:
    first = fitted(task)
    monkeypatch.setattr(MCRPL, "losses", lambda *_: pytest.fail("trained again"))
    second = fitted(task)
    assert np.array_equal(first.score(task.validation), second.score(task.validation))
    assert second.records == first.records


def test_a_second_stage_after_a_stored_first_one_is_the_same(task: Task, tmp_path: Path) -> None:
    at_once = fitted(replace(task, artifacts=ArtifactStore(tmp_path / "other")))
    fitted(task, epochs=1)
    assert np.array_equal(fitted(task).score(task.validation), at_once.score(task.validation))


def test_another_seed_or_another_source_gives_other_scores(task: Task) -> None:
    recommender = fitted(task)
    for other in (replace(task, seed=1), replace(task, sources=task.sources[:1]), replace(task, sources=())):
        assert not np.allclose(fitted(other).score(task.validation), recommender.score(task.validation))


def test_its_record_states_both_stages_cold_rule_and_deviations(task: Task) -> None:
    recommender = fitted(task)
    report = recommender.report()
    assert report.extra["items"] == dict(zip(("toy", "source 0", "source 1"), SIZES, strict=True))
    assert (report.stages["all domains"].epochs, report.training.epochs) == (3, 3)
    assert report.stages["all domains"].domains == ("toy", "source 0", "source 1")
    assert report.trained_parameters > 2 * 16 * sum(SIZES)
    assert recommender.deviations()


def test_it_is_registered() -> None:
    assert registry().recommender("mcrpl") is MCRPL
    assert registry().entry("mcrpl").needs_sources
