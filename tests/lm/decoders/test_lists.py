from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.domain import Domain
from bench.errors import BenchError
from bench.files.store import ArtifactStore
from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import Adapter, LoraRecipe, linear_modules
from bench.lm.backbones import local_backbone
from bench.lm.decoders.answer_entropy import leading_positions
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.decoders.examples import titles_of
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.decoders.lists import ListLanguageModel, list_facts, read_list
from bench.lm.language_model import ENTROPY_TOKENS
from bench.lm.loading import load_language_model
from bench.lm.prompts.shared import SEPARATOR, clean_title
from bench.lm.training.library import AdapterPlan, planned_specs, revised_objective
from bench.metrics import Metric, per_user, rank_positive
from bench.plugin import Answers, Queries, Task
from tests.support.adapter_training import trained
from tests.support.heard import Heard
from tests.support.text_toys import made_up_titles

RECIPE = LoraRecipe(rank=4, alpha=8, learning_rate=1e-2, batch_size=4, max_examples=24, epochs=4, warmup_steps=2)
TITLES = made_up_titles(40)


class Dictation:
    """An engine that writes given texts and keeps what it was asked."""

    def __init__(self, causal: CausalLanguageModel, texts: Sequence[str], *, ended: bool = True) -> None:
        self.causal, self.texts, self.asked = causal, list(texts), []
        self.ending = [causal.tokenizer.eos_token_id] if ended else []

    def greedy_ids(self, prompts: list[list[int]], adapter: Adapter | None, max_new_tokens: int) -> list[list[int]]:
        first = sum(len(prompts) for prompts, *_ in self.asked)
        self.asked.append((prompts, adapter, max_new_tokens))
        return [ids + self.ending for ids in self.causal.token_ids(self.texts[first : first + len(prompts)])]

    def facts(self) -> dict[str, Any]:
        return {"engine": "dictation"}


@pytest.fixture(scope="module")
def writer(pico_folder: Path) -> ListLanguageModel:
    return ListLanguageModel(local_backbone("pico", pico_folder))


@pytest.fixture(scope="module")
def queries() -> Queries:
    rng = np.random.default_rng(0)
    candidates = np.stack([rng.permutation(40)[:30] for _ in range(4)]).astype(np.int32)
    return Queries(np.arange(4), np.array([0, 2, 3, 6, 8]), rng.integers(40, size=8).astype(np.int32), candidates)


@pytest.fixture
def dictated(writer, queries, make_domain, monkeypatch):
    """Scores, ranks of given positives and facts after given texts were written."""

    def score(texts: Sequence[str], positives: Sequence[int], **options: Any) -> tuple[Any, Any, dict[str, Any]]:
        monkeypatch.setattr(writer, "engine", Dictation(writer.causal, texts, **options))
        scores = writer.score(make_domain(), queries.take(np.arange(len(texts))), lambda _line: None)
        return scores, rank_positive(scores, np.array(positives)), writer.facts()

    return score


def offered(queries: Queries, row: int, *columns: int) -> list[str]:
    return [TITLES[queries.candidates[row, column]] for column in columns]


def metric(name: str, ranks: Any) -> list[float]:
    return per_user(ranks, Metric.parse(name), 30).round(6).tolist()


def test_a_list_ranks_its_titles_in_order_whatever_else_it_says(dictated, queries) -> None:
    a, b = offered(queries, 0, 7, 3)
    texts = [f"{a}||{b}||{a}||no such product", f"no such product||{offered(queries, 1, 5)[0]}"]
    scores, ranks, facts = dictated(texts, [3, 5])
    assert scores.shape == (2, 30)
    assert metric("ndcg@1", ranks) == [0.0, 1.0]
    assert metric("ndcg@3", ranks) == [0.63093, 1.0]
    assert facts["lists"]["lenient"] == {
        "titles_a_list": 3.0,
        "valid_share": 0.5,
        "duplicate_share": round(1 / 6, 6),
        "unknown_share": round(2 / 6, 6),
        "share_of_lists_without_a_candidate": 0.0,
    }


def test_a_title_that_is_written_twice_counts_once(dictated, queries) -> None:
    a, b = offered(queries, 0, 7, 3)
    _, ranks, _ = dictated([f"{a}||{a}||{a}||{b}"], [3])
    assert metric("ndcg@3", ranks) == [0.63093]
    _, ranks, _ = dictated([f"{a}||{a}"], [7])
    assert metric("ndcg@3", ranks) == [1.0]


def test_what_is_not_named_shares_the_places_behind_the_list(dictated, queries) -> None:
    text = "||".join(offered(queries, 0, 0, 1, 2, 3, 4))
    _, ranks, _ = dictated([text], [9])
    assert (ranks.better[0], ranks.tied[0]) == (5, 24)
    assert metric("ndcg@5", ranks) == metric("mrr@5", ranks) == [0.0]


def test_titles_beyond_the_five_asked_for_are_not_read(dictated, queries) -> None:
    named = offered(queries, 0, 0, 1, 2, 3)
    texts = ["||".join([*named, "no such product", *offered(queries, 0, 9)]), "||".join([" ", *named, "", named[0]])]
    _, ranks, facts = dictated(texts[:1], [9])
    assert (ranks.better[0], ranks.tied[0]) == (4, 25)
    assert facts["lists"]["share_too_long"] == 1.0
    assert facts["lists"]["lenient"]["titles_a_list"] == 5.0
    _, _, facts = dictated(texts[1:], [0])
    assert (facts["lists"]["share_too_long"], facts["lists"]["lenient"]["duplicate_share"]) == (0.0, 0.2)


def test_a_list_without_any_candidate_scores_chance(dictated) -> None:
    _, ranks, facts = dictated(["I would buy soap.", ""], [9, 1])
    assert metric("ndcg@1", ranks) == [round(1 / 30, 6)] * 2
    assert facts["lists"]["lenient"]["share_of_lists_without_a_candidate"] == 1.0
    assert facts["lists"]["lenient"]["unknown_share"] == 1.0


def test_both_ways_of_matching_are_counted_and_lenient_ranks(dictated, queries) -> None:
    (title,) = offered(queries, 0, 7)
    (exact,) = offered(queries, 1, 2)
    _, ranks, facts = dictated([f" {title.upper()} ", exact], [7, 2])
    assert metric("ndcg@1", ranks) == [1.0, 1.0]
    lists = facts["lists"]
    assert (lists["match"], lists["share_ranked_otherwise_if_strict"]) == ("lenient", 0.5)
    assert (lists["lenient"]["unknown_share"], lists["strict"]["unknown_share"]) == (0.0, 0.5)


def test_the_record_names_engine_limit_and_lists_that_were_cut(dictated, queries) -> None:
    texts = ["||".join(offered(queries, row, 0, 1)) for row in range(2)]
    _, _, facts = dictated(texts, [0, 0], ended=False)
    assert facts["generation"] == {"engine": "dictation", "max_new_tokens": 400}
    assert (facts["lists"]["n_lists"], facts["lists"]["share_cut"]) == (2, 1.0)
    assert facts["taught_answer"] == "list"


def test_no_lists_are_said_to_be_none() -> None:
    assert list_facts([]) == {"n_lists": 0}


def test_an_answer_of_tokens_reads_back_strictly(writer) -> None:
    names = [clean_title(title) for title in TITLES[:5]]
    (text,) = writer.causal.texts(writer.causal.token_ids([SEPARATOR.join(names)]))
    assert read_list(text, TITLES[:30]).strict.order == (0, 1, 2, 3, 4)


def test_the_prompt_is_that_of_likelihood_and_each_query_is_asked_once(writer, queries, make_domain, monkeypatch):
    monkeypatch.setattr("bench.lm.decoders.lists.QUERIES_AT_ONCE", 3)
    engine = Dictation(writer.causal, [""] * 4)
    monkeypatch.setattr(writer, "engine", engine)
    heard = Heard()
    writer.score(make_domain(), queries, heard)
    asked = [prompt for prompts, *_ in engine.asked for prompt in prompts]
    assert asked == writer.causal.token_ids(writer.causal.shared_prompts(*titles_of(make_domain(), queries)))
    assert heard.steps == [("generating lists", 0, 4), ("generating lists", 3, 4), ("generating lists", 4, 4)]


def test_it_is_taught_the_next_title_and_four_others_that_are_offered(writer, make_domain) -> None:
    for batch, _ in writer.batches([make_domain()], RECIPE, np.random.default_rng(0)):
        for prompt in batch:
            named = prompt.answer.split(SEPARATOR)
            assert len(named) == len(set(named)) == 5
            assert all(title in prompt.shared for title in named)


def test_training_on_lists_lowers_their_loss(writer, make_domain) -> None:
    _, log = trained(writer, [make_domain(n_users=260)], RECIPE)
    assert np.mean(log.losses[-6:]) < np.mean(log.losses[:6])


def test_entropy_is_that_of_the_first_tokens_of_each_title(writer, queries, make_domain, monkeypatch) -> None:
    import torch

    causal, ids = writer.causal, []
    favored = causal.token_ids(["Acme soap, large" + SEPARATOR])[0]
    monkeypatch.setattr(
        CausalLanguageModel, "greedy_ids", lambda *_args, **_options: [favored + favored] * len(queries)
    )
    pieces = list(map(causal.tokenizer.decode, favored + favored))
    for prompt in causal.prompt_ids(*titles_of(make_domain(), queries)):
        logits = causal.model(torch.tensor([prompt + favored + favored])).logits[0, len(prompt) - 1 :]
        ids.append(softmax_entropy(logits[leading_positions(pieces, ENTROPY_TOKENS, "each_title")]))
    assert len(ids[0]) == 2 * ENTROPY_TOKENS
    assert writer.entropy(make_domain(), queries).item() == pytest.approx(torch.cat(ids).mean().item(), abs=1e-4)


def test_an_adapter_takes_part_and_leaves_the_model_as_it_was(writer, queries, make_domain, monkeypatch) -> None:
    import torch

    rng = torch.Generator().manual_seed(0)
    factors = {
        name: (torch.randn(2, m.in_features, generator=rng), torch.randn(m.out_features, 2, generator=rng))
        for name, m in linear_modules(writer.model).items()
    }
    adapter = Adapter(factors, 1.0, "pico", "x")
    monkeypatch.setattr(ListLanguageModel, "max_new_tokens", 6)
    ids = writer.causal.prompt_ids(*titles_of(make_domain(), queries))
    bare = writer.engine.greedy_ids(ids, None, 6)
    assert writer.engine.greedy_ids(ids, adapter, 6) != bare
    writer.score_with(adapter, make_domain(), queries, lambda _line: None)
    assert writer.engine.greedy_ids(ids, None, 6) == bare


def test_lists_are_written_in_float32_on_a_processor(writer) -> None:
    facts = writer.engine.facts()
    assert (facts["engine"], facts["dtype"]) == ("transformers", "float32")


@pytest.fixture
def task(tmp_path: Path, pico_folder: Path, make_domain, queries) -> Task:
    return Task(
        make_domain(),
        queries,
        Answers(np.zeros(4, dtype=np.int64)),
        "warm",
        0,
        ArtifactStore(tmp_path),
        backbone=str(pico_folder),
        ranking="generate",
    )


def test_adapters_of_both_answers_have_keys_of_their_own_and_the_old_one_stays(task: Task) -> None:
    plan = AdapterPlan((task.target,), RECIPE)
    (lists,) = planned_specs(task, [plan])
    (titles,) = planned_specs(dataclasses.replace(task, ranking=None), [plan])
    assert lists.objective.startswith("next title, then 4 random negatives, prompt ")
    assert titles.objective == revised_objective(GenerativeLanguageModel)
    assert titles.objective.startswith(GenerativeLanguageModel.objective)
    assert dataclasses.replace(lists, objective="") == dataclasses.replace(titles, objective="")


def test_the_ranking_chooses_the_model(task: Task) -> None:
    assert type(load_language_model(task)) is ListLanguageModel
    assert type(load_language_model(dataclasses.replace(task, ranking=None))) is GenerativeLanguageModel


def test_an_encoder_writes_no_lists(task: Task, pico_encoder_folder: Path, make_domain: Any) -> None:
    encoder = dataclasses.replace(task, backbone=str(pico_encoder_folder))
    domain: Domain = make_domain()
    for attempt in (load_language_model, lambda task: planned_specs(task, [AdapterPlan((domain,), RECIPE)])):
        with pytest.raises(BenchError, match=r"is an encoder and cannot generate text.*--backbone smollm2"):
            attempt(encoder)
