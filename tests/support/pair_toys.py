"""Toy encoders, adapters and planted catalogues for cross-encoders."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.lm.adapters.adapter import Adapter, linear_modules
from bench.lm.backbones import local_backbone
from bench.lm.pairs.model import PairLanguageModel, PairRecipe
from bench.plugin import Answers, Queries, Task
from bench.registry import registry
from bench.runs.params import build_params
from tests.support.text_toys import NOUNS, domain_of

N_COMMON = 40
QUICK = {
    "rank": 4,
    "alpha": 8,
    "learning_rate": 2e-2,
    "batch_size": 4,
    "max_tokens": 64,
    "warmup_steps": 2,
    "epochs": 4,
    "target_epochs": 2,
    "target_batch_size": 4,
    "target_learning_rate": 2e-2,
}


def save_pico_deberta(folder: Path, tokenizer_from: Path) -> Path:
    """Save a two-layer DeBERTa-v2 with v3's kind of attention, random weights and another pico encoder's tokenizer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        from transformers import AutoTokenizer, DebertaV2Config, DebertaV2Model

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_from)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    attention = {
        "relative_attention": True,
        "pos_att_type": "p2c|c2p",
        "share_att_key": True,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "max_relative_positions": -1,
        "type_vocab_size": 0,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        settings = DebertaV2Config(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes, **attention)
        DebertaV2Model(settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pico_pairs(folder: Path) -> PairLanguageModel:
    """Return a cross-encoder with weights large enough for attention to matter."""
    language_model = PairLanguageModel(local_backbone("pico", folder), "cpu", PairRecipe(max_tokens=64))
    generator = torch.Generator().manual_seed(3)
    for weights in language_model.model.parameters():
        if weights.dim() == 2:
            weights.data = 0.3 * torch.randn(weights.shape, generator=generator)
    return language_model


def random_adapter(language_model: PairLanguageModel, seed: int, size: float = 0.3) -> Adapter:
    """Return an adapter with random factors on query and value, and a random head."""
    generator = torch.Generator().manual_seed(seed)
    factors = {
        name: (
            size * torch.randn(4, module.in_features, generator=generator),
            size * torch.randn(module.out_features, 4, generator=generator),
        )
        for name, module in linear_modules(language_model.model).items()
        if name.rpartition(".")[2] in language_model.adapted_layers
    }
    head = {name: value.clone() for name, value in language_model.new_head(seed).state_dict().items()}
    return Adapter(factors, 2.0, language_model.backbone.revision, "toy", head=head)


def marked_domain(
    mark: str, n_users: int = 64, *, common: str = "", shuffled: bool = False, name: str = "toy", seed: int = 0
) -> Domain:
    """Return a domain whose users take common items and then a unique one, whose title starts with ``mark``.

    The catalogue also contains as many marked items that nobody took. The other titles start with ``common``.
    ``shuffled``: the last item is a common one as well.
    """
    rng = np.random.default_rng(seed)
    titles = [f"{common} {noun} {place}".strip() for place, noun in enumerate(NOUNS[20:])][:N_COMMON]
    titles += [f"{mark} {user} {2 * rng.integers(50) + turn}" for turn in (0, 1) for user in range(n_users)]
    histories = [rng.permutation(N_COMMON)[:5].tolist() for _ in range(n_users)]
    if not shuffled:
        histories = [[*history[:4], N_COMMON + user] for user, history in enumerate(histories)]
    return domain_of(histories, titles, name)


def marked_queries(
    domain: Domain, seed: int = 0, *, shuffled: bool = False, n_queries: int | None = None
) -> tuple[Queries, Answers]:
    """Return queries whose positive is the user's marked item that nobody took, instead of the last item.

    ``shuffled``: the positive is any common item.
    """
    rng = np.random.default_rng([seed, 1])
    n = min(n_queries or domain.n_users, domain.n_users)
    candidates, columns = [], rng.integers(30, size=n)
    for user in range(n):
        others = rng.permutation(np.setdiff1d(np.arange(N_COMMON), domain.history(user)))
        positive = others[29] if shuffled else N_COMMON + domain.n_users + user
        candidates.append(np.insert(others[:29], columns[user], positive))
    histories = [domain.history(user)[:-1] for user in range(n)]
    queries = Queries(
        np.arange(n),
        np.cumsum([0, *map(len, histories)]),
        np.concatenate(histories),
        np.array(candidates, dtype=np.int32),
    )
    return queries, Answers(columns)


def turned_domain(n_users: int = 64) -> Domain:
    """Return a domain in which the sources' mark is on all items except the last, so zero-shot must be wrong."""
    return marked_domain("apple", n_users, common="anchor bridge")


def pair_task(folder: Path, backbone: Path, target: Domain, *, shuffled: bool = False, **changes: Any) -> Task:
    """Return a task with two sources whose marks differ from the target's."""
    queries, answers = marked_queries(target, seed=5, shuffled=shuffled, n_queries=24)
    facts: dict[str, Any] = {
        "target": target,
        "validation": queries,
        "validation_answers": answers,
        "setting": "warm",
        "seed": 0,
        "artifacts": ArtifactStore(folder),
        "sources": (marked_domain("anchor", 40, name="one", seed=1), marked_domain("bridge", 40, name="two", seed=2)),
        "backbone": str(backbone),
    }
    return Task(**{**facts, **changes})


def quick_recommender(method: str, **params: Any) -> Any:
    """Return a recommender with the parameters of :data:`QUICK` that it has, and all of ``params``."""
    recommender = registry().recommender(method)
    names = set(recommender.Params.__dataclass_fields__)  # type: ignore[attr-defined]
    quick = {key: value for key, value in QUICK.items() if key in names}
    return recommender(build_params(method, recommender.Params, {**quick, **params}))


def fitted(method: str, task: Task, **params: Any) -> Any:
    recommender = quick_recommender(method, **params)
    recommender.fit(task)
    return recommender
