"""The report of one fit, as stored in the run record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

Ending = Literal["unknown", "rising", "budget", "converged"]
"""Why a training ended, as determined by :func:`bench.learning.convergence.ending`:

* ``converged``: at least five validation checks, over at least one epoch at the full learning rate, were not better;
* ``rising``: the last check was the best one;
* ``budget``: training stopped between these two cases;
* ``unknown``: there was no validation.

Listed from worst to best.
"""
ENDINGS: tuple[Ending, ...] = get_args(Ending)


@dataclass(frozen=True)
class TrainingReport:
    """Report of one training: of the scored model, or of an earlier stage."""

    domains: tuple[str, ...] = ()
    """Names of the training domains; empty for only the target."""
    n_examples: int | None = None
    """Number of training examples, if known."""
    seconds: float | None = None
    """Wall-clock seconds of all epochs, in this run or in the earlier run whose weights were loaded."""
    epochs: float | None = None
    """Number of epochs."""
    best_epoch: float | None = None
    """Epoch (from 1) whose weights were kept; 0 if none was trained, None without model selection."""
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Learning curves: ``losses``, ``validation_ndcg@3``."""
    epoch_of_check: tuple[float, ...] = ()
    """Epochs completed at each value of the validation curve; empty if there is one value per epoch."""
    ended: Ending = "unknown"
    """Why it ended."""

    @property
    def trained(self) -> bool:
        """Whether anything was trained."""
        return self.epochs != 0

    @property
    def validation(self) -> tuple[float, ...]:
        """Validation NDCG@3 at each check; empty without validation."""
        return self.curves.get("validation_ndcg@3", ())


@dataclass(frozen=True)
class AdapterReport:
    """Report of the training of one adapter, in this run or in the earlier run that trained it."""

    id: str
    """Hash of everything that determines it, under which it is stored."""
    domains: tuple[str, ...] = ()
    """Names of the training domains."""
    n_examples: int = 0
    n_steps: int = 0
    """Optimizer steps."""
    seconds: float = 0.0
    """Wall-clock seconds."""
    losses: tuple[float, ...] = ()
    """Mean training loss between consecutive checks."""
    slice_losses: tuple[float, ...] = ()
    """Loss on held-out examples at each check, starting before the first step; empty if it was not computed."""
    best_check: int | None = None
    """Index of the check whose state was kept, see ``chosen_on``; None for the last state."""
    validation: tuple[float, ...] = ()
    """Mean validation NDCG@3 over the training domains at each check, starting before the first step; only before the
    first step and of the kept state if the loss on held-out examples chose that state."""
    epoch_of_check: tuple[float, ...] = ()
    """Epochs completed at each check."""
    epochs: float | None = None
    """Number of epochs."""
    temperature: float | None = None
    """Fitted temperature by which cosines are divided; None if there is none."""
    chosen_on: str = ""
    """Description of the data used for model selection and early stopping."""
    ended: Ending = "unknown"
    """Why it ended."""

    @property
    def trained(self) -> bool:
        """Whether it was trained."""
        return self.n_steps > 0 or bool(self.losses)

    @property
    def epoch_of_validation(self) -> tuple[float, ...]:
        """Epochs completed where ``validation`` was measured; empty in older reports, which do not state them."""
        checks = self.epoch_of_check
        return checks if len(self.validation) >= len(checks) else (checks[0], checks[self.best_check or 0])


@dataclass(frozen=True)
class MergeReport:
    """The weights of merged adapters, and how they were found."""

    weights: Mapping[str, float]
    """Weight of each adapter by role or domain; the mean over layers if weights are per layer."""
    chosen: float | None = None
    """Weight of the target's adapter if the method chose it; None if it was given."""
    path: tuple[tuple[float, ...], ...] = ()
    """Weights after each optimization step, in the order of ``weights``."""
    entropy: tuple[float, ...] = ()
    """Mean entropy of predictions in each pass over the prompts."""
    validation: tuple[tuple[float, float], ...] = ()
    """Validation NDCG@3 by the target's weight: (weight, metric)."""
    entropy_by_weight: tuple[tuple[float, float], ...] = ()
    """Mean entropy of predictions (in nats) by the weight of the target's adapter: (weight, entropy)."""
    entropy_range_nats: float | None = None
    """Range of these entropies; near zero, entropy hardly distinguishes between weights."""


@dataclass(frozen=True)
class PromptReport:
    """Statistics of the target's training prompts."""

    n_users: int
    """Number of users with a prompt."""
    mean_tokens: float
    """Mean number of tokens per prompt."""
    diversity: float
    """Mean Jaccard distance between prompts."""


@dataclass(frozen=True)
class FitReport:
    """The report of one fit; all values must be serializable as JSON."""

    trained_parameters: int | None = None
    """Number of trained parameters, including adapters."""
    training: TrainingReport | None = None
    """Training of the scored model, without its adapters; None if there is none."""
    stages: Mapping[str, TrainingReport] = field(default_factory=dict)
    """Earlier training stages by name, such as ``pretraining``."""
    adapters: Mapping[str, AdapterReport] = field(default_factory=dict)
    """Adapters by role or domain."""
    merge: MergeReport | None = None
    """Weights of merged adapters; None without merging."""
    training_prompts: PromptReport | None = None
    """Statistics of the target's training prompts, for learning curves."""
    cold_rule: str = ""
    """How items without training data are scored; set by the engine from ``@register``."""
    deviations: tuple[str, ...] = ()
    """Departures from the publication; set by the engine from :meth:`bench.plugin.Recommender.deviations`."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further information by name; names are displayed with spaces instead of ``_``."""

    @property
    def ended(self) -> Ending | None:
        """Why training ended (the worst of all trainings); None if nothing was trained.

        A stage without validation, such as pre-training for a fixed number of epochs, is ignored if the scored model is
        trained and validated after it. Such stages are listed in :attr:`unchecked_stages`.
        """
        scored: list[TrainingReport | AdapterReport] = [*self.adapters.values()]
        scored += [] if self.training is None else [self.training]
        endings: list[Ending] = [training.ended for training in scored if training.trained]
        stages: list[Ending] = [stage.ended for stage in self.stages.values() if stage.trained]
        checked: list[Ending] = [ended for ended in stages if ended != "unknown"]
        return worst_ending(endings + checked if endings else stages)

    @property
    def unchecked_stages(self) -> tuple[str, ...]:
        """Names of the stages that were trained without validation."""
        return tuple(name for name, stage in self.stages.items() if stage.trained and stage.ended == "unknown")

    def stating(self, **extra: Any) -> FitReport:
        """Return this report with additional entries in ``extra``."""
        return replace(self, extra={**self.extra, **extra})

    def to_json(self) -> dict[str, Any]:
        """Return the object stored under ``fit`` in the run record."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> FitReport:
        """Read the output of :meth:`to_json`; raise KeyError, TypeError or AttributeError for other content."""
        kinds: dict[str, type[Any]]
        kinds = {"training": TrainingReport, "merge": MergeReport, "training_prompts": PromptReport}
        one = {name: None if fields[name] is None else kind(**as_tuples(fields[name])) for name, kind in kinds.items()}
        stages = {name: TrainingReport(**as_tuples(stage)) for name, stage in fields["stages"].items()}
        adapters = {role: AdapterReport(**as_tuples(adapter)) for role, adapter in fields["adapters"].items()}
        deviations = tuple(fields["deviations"])
        return cls(**{**fields, **one, "stages": stages, "adapters": adapters, "deviations": deviations})


def worst_ending(endings: Iterable[Ending | None]) -> Ending | None:
    """Return the worst of several endings, ignoring None; None if there are no others."""
    return min((ended for ended in endings if ended is not None), key=ENDINGS.index, default=None)


def as_tuples(value: Any) -> Any:
    """Convert JSON lists to tuples, recursively."""
    if isinstance(value, list):
        return tuple(map(as_tuples, value))
    return {name: as_tuples(item) for name, item in value.items()} if isinstance(value, dict) else value
