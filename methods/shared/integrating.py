"""Base of the methods that integrate frozen source adapters: choosing the sources and training the integration.

The encoder and the adapters are frozen. A small :class:`Integration` with the pooler and the scorer is trained on the
target, starting from the pooler and scorer of the source with the best validation result.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from bench.methods.shared.pairs import PairParams, PairRecommender, check_learnable, pair_recipe, source_plans
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.learning.keys import training_key
from bench.learning.steps import StepPlan
from bench.learning.stepwise import Stepwise
from bench.learning.stored import trained_by_steps
from bench.learning.training import STOPPING_METRIC, seeded, stopping_score
from bench.lm.adapters.recipes import FAST, XCROSS, XCROSS_TARGET, Recipe
from bench.lm.pairs.model import PairExamples, PairLanguageModel, candidates_loss
from bench.lm.precision import training_precision
from bench.plugin import FitReport, Queries, Task, above, at_least, at_most, shrinks_to
from bench.progress import Phase, tell

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint
    from bench.lm.adapters.adapter import Adapter
    from bench.lm.pairs.prompts import PairBatch
    from bench.lm.training.library import AdapterPlan

INTEGRATION_KIND = "integrations"
INTEGRATE = "integrate"
"""Name of the phase in which the integration is trained."""
WEIGHT_DECAY = 0.01
"""As in the paper."""


@dataclass(frozen=True)
class IntegratingParams(PairParams):
    """The recipe of the source adapters, and how their integration is trained on the target."""

    n_sources: int = field(default=2, metadata=at_least(1))
    """Number of integrated adapters: those with the best validation results among the sources (X-Cross: 2)."""
    target_examples: int = field(default=0, metadata=shrinks_to("examples") | at_least(0))
    """Target users per epoch (a random sample, drawn again in each epoch); 0 uses all (X-Cross)."""
    target_epochs: int = field(default=40, metadata=at_least(0))
    """Maximum number of epochs (X-Cross: 40)."""
    target_batch_size: int = field(default=4, metadata=at_least(1))
    """Target users per step (X-Cross: 1)."""
    target_learning_rate: float = field(default=5e-4, metadata=above(0) | at_most(1))
    """Peak learning rate of AdamW (X-Cross: 5e-5)."""


class Integration(nn.Module):
    """The trained part: a pooler and a scorer, and in subclasses the parameters that weight the frozen adapters.

    The frozen encoder is not a submodule, so it is neither trained nor stored.
    """

    trains_inside = True
    """Whether trained parameters are used inside the encoder; if not, its states never change."""

    def __init__(self, language_model: PairLanguageModel, adapters: Sequence[Adapter]) -> None:
        super().__init__()
        self._frozen = (language_model,)
        self.head = language_model.head_of(adapters[0])

    @property
    def language_model(self) -> PairLanguageModel:
        """The frozen encoder."""
        return self._frozen[0]

    @abstractmethod
    def states(self, batch: PairBatch) -> Tensor:
        """Return the prompts' vectors, shape (n_streams, n_prompts, d)."""

    def read(self, states: Tensor) -> Tensor:
        """Return the scores of prompts, shape (n_prompts,), from their states."""
        return self.head(states[0])  # type: ignore[no-any-return]

    def forward(self, batch: PairBatch) -> Tensor:
        """Return the scores of prompts, shape (n_prompts,)."""
        return self.read(self.states(batch))

    def groups(self) -> dict[str, int]:
        """Return the number of trained values per group of parameters."""
        counts: dict[str, int] = {}
        for name, weights in self.named_parameters():
            group = name.partition(".")[0]
            counts[group] = counts.get(group, 0) + weights.numel()
        return counts

    def facts(self) -> dict[str, Any]:
        """Return what a run record should state about the trained part."""
        return {}


class IntegratingRecommender(PairRecommender):
    """Trains one adapter per source, chooses the best, and trains an integration of them on the target."""

    Params = IntegratingParams
    recipes: ClassVar[Mapping[str, Recipe]] = {"fast": FAST, "paper": {**XCROSS, **XCROSS_TARGET}}
    stages = (INTEGRATE,)
    min_sources: ClassVar[int] = 2

    @abstractmethod
    def integration(self, adapters: Sequence[Adapter]) -> Integration:
        """Return the untrained integration of adapters, the best source's first."""

    def n_sources(self) -> int:
        """Return the number of integrated adapters.

        Raises:
            BenchError: the parameters state too few.
        """
        if self.params.n_sources < self.min_sources:
            raise BenchError(f"Parameter 'n_sources' must be at least {self.min_sources}, not {self.params.n_sources}.")
        return int(self.params.n_sources)

    def plans(self, task: Task) -> dict[str, AdapterPlan]:
        """Return one adapter per source."""
        return source_plans(task, self.params, self.n_sources())

    def fit(self, task: Task) -> None:
        """Train (or load) the sources' adapters, choose the best on validation queries, train the integration."""
        check_learnable(task.target, self.params.n_negatives)
        super().fit(task)
        self.validated = self.zero_shot()
        best_first = sorted(self.validated, key=lambda source: -self.validated[source])
        self.chosen = best_first[: self.n_sources()]
        tell(task.progress, Phase(INTEGRATE))
        with seeded(derived_seed(task.seed, "integration")):
            self.model = self.integration([self.trained[source] for source in self.chosen]).to(task.device)
        self.log = trained_by_steps(task.artifacts, INTEGRATION_KIND, self._key(), self.model, self._training)
        self.model.eval()

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the integrated adapters' scores."""
        return self.scores_by(self.model, queries)

    def adapter_for(self, queries: Queries) -> Adapter:
        """Return the best source's adapter, which is used if nothing was trained."""
        return self.trained[self.chosen[0]]

    def report(self) -> FitReport:
        """Add the chosen sources, the training of the integration and its size relative to the adapters."""
        groups, lora = self.model.groups(), self.trained[self.chosen[0]].n_parameters
        integrating = sum(count for group, count in groups.items() if group != "head")
        report, n_own = super().report(), sum(groups.values())
        return replace(
            report,
            trained_parameters=(report.trained_parameters or 0) + n_own,
            training=self.log.report(),
            training_prompts=self.training_prompts(),
        ).stating(
            **{f"zero_shot_validation_{STOPPING_METRIC}": self.validated},
            chosen_sources=self.chosen,
            parameters=n_own,
            parameters_by_part=groups,
            integrating_parameters_over_lora=round(integrating / lora, 6),
            parameters_over_lora_with_head=round(n_own / (lora + groups["head"]), 6),
            target_examples_per_second=round(self.log.n_examples / self.log.seconds, 3) if self.log.seconds else None,
            **self.model.facts(),
        )

    def _key(self) -> dict[str, Any]:
        """Return everything that determines the trained weights."""
        return training_key(
            self,
            self.task,
            libraries=("transformers",),
            backbone=self.language_model.backbone.revision,
            adapters=[self.facts[source].id for source in self.chosen],
        )

    def _training(self, checkpoint: Checkpoint) -> Stepwise:
        """Return the training of the integration on the target."""
        params, task, model = self.params, self.task, self.model
        size = params.target_batch_size
        recipe = replace(pair_recipe(params), max_examples=params.target_examples, batch_size=size)

        def batches(epoch: int) -> Iterator[tuple[PairExamples, int]]:
            rng = np.random.default_rng(derived_seed(task.seed, "integration-batches", str(epoch)))
            return self.language_model.batches([task.target], recipe, rng)

        def loss(examples: PairExamples, _step: int) -> Tensor:
            with training_precision(task.device):
                scores = model(examples.batch)
            return candidates_loss(scores, examples.n_users)

        return Stepwise(
            parameters=list(model.parameters()),
            batches=batches,
            n_batches=-(-self.language_model.count_examples([task.target], recipe) // size),
            loss=loss,
            check=self._validation(),
            plan=StepPlan.of(
                params,
                learning_rate=params.target_learning_rate,
                epochs=params.target_epochs,
                weight_decay=WEIGHT_DECAY,
            ),
            progress=task.progress,
            checkpoint=checkpoint,
        )

    def _validation(self) -> Callable[[], float]:
        """Return the function that evaluates the model on the validation sample.

        If nothing is trained inside the encoder, its states never change: they are computed once and reused by every
        later call, which reads the same batches in the same order.
        """
        queries, answers = self.validation_sample()
        target, progress, model = self.task.target, self.task.progress, self.model
        kept: list[Tensor] = []

        def validate() -> float:
            again = iter(kept[:])

            def scorer(batch: PairBatch) -> Tensor:
                states = next(again, None)
                if states is None:
                    states = model.states(batch)
                    if not model.trains_inside:
                        kept.append(states)
                return model.read(states)

            return stopping_score(self.language_model.score_by(scorer, target, queries, progress, quick=True), answers)

        return validate

    def deviations(self) -> tuple[str, ...]:
        """Add where this differs from the paper."""
        return (
            *super().deviations(),
            "The trained part: 4 target users per step, learning rate 5e-4, gradient norm clipped at 1, until "
            "validation NDCG@3 stops rising, unless set otherwise; the paper: 40 epochs, 1 user per step, 5e-5.",
            "The pooler and the scorer start from those of the source with the best validation result; the paper does "
            "not say.",
        )
