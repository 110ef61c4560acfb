"""Toy tasks for adapter methods, small enough to train in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.plugin import Task
from bench.protocol.task import PreparedTask, prepare_task
from bench.registry import registry
from bench.runs.params import build_params
from bench.spec import ProtocolSpec
from tests.support.text_toys import planted_groups

SMALL = {
    "rank": 4,
    "alpha": 8,
    "batch_size": 32,
    "learning_rate": 4e-3,
    "max_examples": 96,
    "epochs": 3,
    "warmup_steps": 2,
    "n_negatives": 20,
}


def toy_domain(name: str, n_users: int = 30) -> Domain:
    """Return a domain whose groups are derived from its name."""
    return planted_groups(n_users, seed=sum(map(ord, name)), name=name)


def prepared_toy(name: str, store: ArtifactStore) -> PreparedTask:
    return prepare_task(toy_domain(name), ProtocolSpec(name), store)


def toy_task(prepared: PreparedTask, store: ArtifactStore, backbone: Path | str, **changes: Any) -> Task:
    """Return the task of a prepared domain with the sources ``one`` and ``two``."""
    facts: dict[str, Any] = {
        "target": prepared.training,
        "validation": prepared.validation.queries,
        "validation_answers": prepared.validation.answers,
        "setting": "warm",
        "seed": 0,
        "artifacts": store,
        "sources": (toy_domain("one"), toy_domain("two")),
        "backbone": str(backbone),
    }
    return Task(**{**facts, **changes})


def toy_recommender(method: str, **params: Any) -> Any:
    """Return a recommender with the parameters of :data:`SMALL` that it has, and all of ``params``."""
    recommender = registry().recommender(method)
    names = set(recommender.Params.__dataclass_fields__)  # type: ignore[attr-defined]
    small = {key: value for key, value in SMALL.items() if key in names}
    return recommender(build_params(method, recommender.Params, {**small, **params}))


def fitted(method: str, task: Task, **params: Any) -> Any:
    recommender = toy_recommender(method, **params)
    recommender.fit(task)
    return recommender
