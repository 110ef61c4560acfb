"""Train adapters in tests as production does, with recipes that state only what matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bench.data.domain import Domain
from bench.files.store import ArtifactStore
from bench.learning.checkpoints import Checkpoint
from bench.learning.steps import StepLog
from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.language_model import LanguageModel
from bench.lm.training.lora import Course, Validation, train_adapter
from bench.plugin import Answers
from bench.protocol.task import prepare_task
from bench.spec import ProtocolSpec


def trained(
    language_model: LanguageModel,
    domains: Sequence[Domain],
    recipe: LoraRecipe,
    seed: int = 0,
    *,
    start: Adapter | None = None,
    validation: Sequence[Validation] = (),
    order: int = 0,
    n_steps: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[Adapter, StepLog]:
    """Train an adapter; the kind of the model determines what the recipe leaves open."""
    course = Course(seed, order, n_steps, start, checkpoint)
    completed = recipe.completed(type(language_model).defaults)
    return train_adapter(language_model, domains, completed, course, lambda _line: None, validation)


def validation_of(domain: Domain, store: ArtifactStore) -> Validation:
    """Return the training part of a domain's warm split with its validation queries and their answers."""
    prepared = prepare_task(domain, ProtocolSpec(domain.name), store)
    return prepared.training, prepared.validation.queries, prepared.validation.answers


def cross_entropy(logits: NDArray[np.floating], answers: Answers) -> float:
    """Return the mean cross-entropy of the positives, in nats."""
    wide = logits.astype(np.float64)
    return float((logsumexp(wide, axis=1) - wide[np.arange(len(wide)), answers.positive_column]).mean())
