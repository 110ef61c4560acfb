"""Train one LoRA adapter, in the same way for every kind of language model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.data.domain import Domain
from bench.files.hashing import content_hash, derived_seed
from bench.learning.checkpoints import Checkpoint
from bench.learning.steps import StepLog, StepPlan
from bench.learning.stepwise import Stepwise
from bench.learning.team import ALONE, Team
from bench.learning.training import STOPPING_METRIC, stopping_score
from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.language_model import LanguageModel, Part
from bench.lm.memory import PassLimit
from bench.lm.precision import training_precision
from bench.lm.training.attachment import Factors, attached, mask_seed
from bench.lm.training.dropout import IntegerDropout, Masks
from bench.lm.training.passes import limit_for
from bench.lm.training.recompute import recomputed
from bench.lm.training.together import common_limit, shared_limit, shared_scores
from bench.plugin import Answers, ProgressHook, Queries
from bench.progress import prefixed

HELD_OUT_TOKENS = 2**12
"""Tokens of held-out examples that are read at once on a device without a limit."""

Validation = tuple[Domain, Queries, Answers]
"""Domain, validation queries and their answers."""


@dataclass(frozen=True)
class Course:
    """Settings of an adapter's training that are not in its recipe."""

    seed: int
    """Seed of the initialization and of the order of examples."""
    order: int = 0
    """Which of several orders of examples after the same initialization."""
    n_steps: int | None = None
    """Number of steps, if validation does not decide."""
    start: Adapter | None = None
    """The adapter from which training continues."""
    checkpoint: Checkpoint | None = None
    """Where the training state is saved, from which an interrupted training resumes."""
    team: Team = ALONE
    """The processes that train together; each gets the adapter."""


def train_adapter(
    language_model: LanguageModel,
    domains: Sequence[Domain],
    recipe: LoraRecipe,
    course: Course,
    progress: ProgressHook,
    validation: Sequence[Validation] = (),
) -> tuple[Adapter, StepLog]:
    """Train an adapter on the domains' training interactions and return its best state by validation.

    All adapters with the same seed start from the same A and from B = 0, whatever they are trained on, unless the
    course gives an adapter to continue from. Without validation queries the last state is returned.

    Args:
        language_model: The model to adapt; restored afterwards.
        domains: Domains to learn from, in any order.
        recipe: A completed recipe, without None.
        course: Seeds, length and start.
        progress: Called with a line from time to time.
        validation: Queries of the domains. The loss of their answers (decoders) or their NDCG@3, averaged over
            domains, chooses the state.
    """
    # an adapter is identified by its domains in any order, so it is trained on them in a fixed order
    domains = sorted(domains, key=lambda domain: domain.content_hash)
    model, modules = language_model.model, language_model.adapted_modules(recipe)
    dense = language_model.dense_in_training
    with (
        attached(model, recipe, course.seed, modules, course.start, dense=dense) as factors,
        language_model.prepared_for(domains, recipe, progress),
    ):
        head = _begun_head(language_model, course)
        limit = common_limit(limit_for(language_model, recipe), course.team)
        training = _Training(language_model, domains, recipe, course, factors, list(head.values()), validation, limit)
        if course.start is None:
            training.begin_calibrated(progress)
        log = training.run(progress)
        temperature = training.temperature(progress)
        trained = {module: (a.detach().cpu().clone(), b.detach().cpu().clone()) for module, (a, b) in factors.items()}
    return (
        Adapter(
            trained,
            recipe.alpha / recipe.rank,
            language_model.backbone.revision,
            initialisation_name(language_model, recipe, course.seed),
            head={name: weights.detach().cpu().clone() for name, weights in head.items()},
            temperature=temperature,
        ),
        log,
    )


def initialisation_name(language_model: LanguageModel, recipe: LoraRecipe, seed: int) -> str:
    """Return the name of the initialization that all adapters of one backbone, rank and seed share."""
    return content_hash(language_model.backbone.revision, recipe.rank, seed)


@dataclass(frozen=True, eq=False)
class _Training:
    """An adapter in training, with the functions that :class:`Stepwise` needs."""

    language_model: LanguageModel
    domains: Sequence[Domain]
    recipe: LoraRecipe
    course: Course
    factors: Factors
    head: Sequence[nn.Parameter]
    validation: Sequence[Validation]
    limit: PassLimit

    def run(self, progress: ProgressHook) -> StepLog:
        """Train and leave factors and head in their best state."""
        recipe, course = self.recipe, self.course
        return Stepwise(
            parameters=[*(factor for pair in self.factors.values() for factor in pair), *self.head],
            batches=self._batches,
            n_batches=self.n_batches(),
            loss=self._loss,
            check=partial(self._score, prefixed(progress, "", "validation: ", within_steps=True))
            if self.validation
            else None,
            plan=StepPlan.of(recipe, n_steps=course.n_steps),
            progress=progress,
            checkpoint=course.checkpoint,
            parts=self._parts,
            team=course.team,
            held_out_loss=self._held_out_loss if self._held_out_parts else None,
        ).run()

    def n_batches(self) -> int:
        """Return the approximate number of batches per epoch."""
        n_examples = self.language_model.count_examples(self.domains, self.recipe)
        return max(1, math.ceil(n_examples / (self.recipe.batch_size or 1)))

    def begin_calibrated(self, progress: ProgressHook) -> None:
        """Set the start of a learned temperature to the value that calibrates the untrained model."""
        temperature = self.temperature(progress) if self.language_model.has_temperature else None
        if temperature is not None:
            self.language_model.begin_at(temperature)

    def temperature(self, progress: ProgressHook) -> float | None:
        """Return the temperature that calibrates the current state on the validation queries; None if there is none."""
        if not self.validation:
            return None
        with self._without_dropout():
            if self.language_model.has_temperature:
                return self.course.team.of_first(self._temperature_of_scores(progress))
            with training_precision(next(iter(self.factors.values()))[0].device):
                held_out = [part.batch for part in self._held_out_parts]
                return self.course.team.of_first(self.language_model.answer_temperature(held_out))

    def _temperature_of_scores(self, progress: ProgressHook) -> float:
        progress("calibrating the temperature on validation queries")
        part = prefixed(progress, "", "calibration: ", within_steps=True)
        scores = [self._scores(domain, queries, part) for domain, queries, _ in self.validation]
        answers = np.concatenate([answers.positive_column for _, _, answers in self.validation])
        return self.language_model.temperature_on(np.concatenate(scores), Answers(answers))

    def _score(self, progress: ProgressHook) -> float:
        """Return the stopping metric, averaged over domains."""
        with self._without_dropout():
            values = [
                stopping_score(self._scores(domain, queries, progress), answers)
                for domain, queries, answers in self.validation
            ]
        return float(np.mean(values))

    @cached_property
    def _held_out_parts(self) -> list[Part]:
        """The validation queries with their answers, in parts that fit in the device's memory; empty if unused."""
        batches = [batch for batch in itertools.starmap(self.language_model.held_out, self.validation) if batch]
        limit = self.limit.tokens or HELD_OUT_TOKENS
        parts = [(part, len(batches)) for batch in batches for part in self.language_model.parts(batch, limit)]
        return [replace(part, share=part.share / n_batches) for part, n_batches in parts]

    def _held_out_loss(self) -> float:
        """Return the mean loss of the validation answers, averaged over domains."""
        device = next(iter(self.factors.values()))[0].device
        with self._without_dropout(), training_precision(device):
            return sum(float(self.language_model.loss(part.batch)) * part.share for part in self._held_out_parts)

    def _scores(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        return shared_scores(
            lambda asked: self.language_model.scores_in_training(domain, asked, progress), queries, self.course.team
        )

    def _batches(self, epoch: int) -> Iterator[tuple[Any, int]]:
        words = ("batches", *([f"order {self.course.order}"] if self.course.order else []), str(epoch))
        rng = np.random.default_rng(derived_seed(self.course.seed, *words))
        return self.language_model.batches(self.domains, self.recipe, rng)

    def _parts(self, batch: Any) -> Iterator[tuple[tuple[int, Part], float]]:
        """Yield the numbered parts of a batch that fit in the device's memory, each with its share of the loss."""
        limit = shared_limit(
            self.limit.tokens, lambda: self.language_model.parts(batch, None)[0].n_tokens, self.course.team
        )
        for numbered in enumerate(self.language_model.parts(batch, limit)):
            yield numbered, numbered[1].share

    def _loss(self, numbered: tuple[int, Part], step: int) -> Tensor:
        number, part = numbered
        # reseeded per step, so that a training resumed from a checkpoint drops the same values
        self.masks.reseed(mask_seed(self.course.seed, step, number))
        layers = self.language_model.layers if part.n_tokens > self.limit.recomputed_above else ()
        with training_precision(next(iter(self.factors.values()))[0].device), recomputed(layers, self.masks):
            return self.language_model.loss(part.batch)

    @cached_property
    def masks(self) -> Masks:
        """The stream of masks that all dropout modules share."""
        return self._dropouts()[0].masks

    def _dropouts(self) -> list[IntegerDropout]:
        modules = [self.language_model.model.get_submodule(name) for name in self.factors]
        return [one for module in modules for one in module.modules() if isinstance(one, IntegerDropout)]

    @contextmanager
    def _without_dropout(self) -> Iterator[None]:
        dropouts = self._dropouts()
        try:
            for dropout in dropouts:
                dropout.eval()
            with torch.no_grad():
                yield
        finally:
            for dropout in dropouts:
                dropout.train()


def chosen_by(validation: Sequence[Validation], *, by_loss: bool = False) -> str:
    """Describe what chooses the state of an adapter: the loss of held-out answers, or else the stopping metric."""
    if not validation:
        return "nothing: the last state is kept"
    asked = ", ".join(f"{len(queries):,} of {domain.name}" for domain, queries, _ in validation)
    measured = "loss of the answers" if by_loss else STOPPING_METRIC
    return f"validation {measured}, the mean over domains of queries: {asked}"


def _begun_head(language_model: LanguageModel, course: Course) -> dict[str, nn.Parameter]:
    """Return the parameters of the head that training starts with, new or continued; empty if the model has none."""
    head = language_model.new_head(course.seed)
    if head is None:
        return {}
    if course.start is not None and course.start.head:
        head.load_state_dict(dict(course.start.head))
    return dict(head.named_parameters())
