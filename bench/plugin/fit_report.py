"""What a recommender reports of one fit, in the form in which the run record keeps it and all readers find it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

Ending = Literal["unknown", "rising", "budget", "converged"]
"""Why a training ended; :func:`bench.learning.convergence.ending` decides:

* ``converged``: for at least five checks that span an epoch or more, at an undecayed rate, validation was no better;
* ``rising``: the last check was the best;
* ``budget``: steps, epochs or time ran out between the two;
* ``unknown``: nothing was checked.

They are listed from the worst to the best.
"""
ENDINGS: tuple[Ending, ...] = get_args(Ending)


@dataclass(frozen=True)
class TrainingReport:
    """The course of one training: that of the scored model, or of a stage before it."""

    domains: tuple[str, ...] = ()
    """Names of the domains it learned from; empty where that is the target alone."""
    n_examples: int | None = None
    """Training examples, where their number is given."""
    seconds: float | None = None
    """Wall seconds of all epochs, in this run or in the earlier one whose weights were found."""
    epochs: float | None = None
    """Epochs after which it stopped."""
    best_epoch: float | None = None
    """Epoch, counted from 1, whose weights were kept: 0 where none was trained, None where nothing chose."""
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Learning curves: ``losses``, ``validation_ndcg@3``."""
    epoch_of_check: tuple[float, ...] = ()
    """Epochs seen at each value of the validation curve; empty where it has one value an epoch."""
    ended: Ending = "unknown"
    """Why it ended."""

    @property
    def trained(self) -> bool:
        """Whether anything was trained: a stage of no epochs is left out, and a model without weights has none."""
        return self.epochs != 0


@dataclass(frozen=True)
class AdapterReport:
    """The training of one adapter, in this run or in the earlier one that made it."""

    id: str
    """Hash of all that made it, under which it is stored."""
    domains: tuple[str, ...] = ()
    """Names of the domains it learned from."""
    n_examples: int = 0
    n_steps: int = 0
    """Optimizer steps."""
    seconds: float = 0.0
    """Wall seconds."""
    losses: tuple[float, ...] = ()
    """Mean training loss between two checks on users set aside."""
    slice_losses: tuple[float, ...] = ()
    """Loss on users set aside, the first before any step; empty where there were none."""
    best_check: int | None = None
    """Index of the check whose state was kept, of ``validation`` or else of ``slice_losses``; None: the last state."""
    validation: tuple[float, ...] = ()
    """Validation NDCG@3 at each check, the first before any step: the mean over the domains that it learned from."""
    epoch_of_check: tuple[float, ...] = ()
    """Epochs seen at each check of ``validation``."""
    epochs: float | None = None
    """Epochs seen."""
    temperature: float | None = None
    """What cosines are divided by, as fitted in training; None where nothing is."""
    chosen_on: str = ""
    """What chose the kept state and the end, in words."""
    ended: Ending = "unknown"
    """Why it ended."""

    @property
    def trained(self) -> bool:
        """Whether it was trained at all."""
        return self.n_steps > 0 or bool(self.losses)


@dataclass(frozen=True)
class MergeReport:
    """With what weights adapters were merged, and how a method found them."""

    weights: Mapping[str, float]
    """Weight of each adapter by its role or domain; the mean where each layer has its own."""
    chosen: float | None = None
    """Weight of the target's own adapter where the method chose it; None where it was given."""
    path: tuple[tuple[float, ...], ...] = ()
    """Weights after each step of learning them, in the order of ``weights``."""
    entropy: tuple[float, ...] = ()
    """Mean entropy of predictions in each pass over the prompts that weights were learned on."""
    validation: tuple[tuple[float, float], ...] = ()
    """Validation NDCG@3 by the target's weight: (weight, metric)."""
    entropy_by_weight: tuple[tuple[float, float], ...] = ()
    """Mean entropy of predictions, in nats, by the weight of the target's own adapter: (weight, entropy)."""
    entropy_range_nats: float | None = None
    """Largest less smallest of these: a range near zero means that entropy hardly tells the weights apart."""


@dataclass(frozen=True)
class PromptReport:
    """What the target's training prompts were like."""

    n_users: int
    """Users with a prompt."""
    mean_tokens: float
    """Mean length of a prompt."""
    diversity: float
    """Mean Jaccard distance of two prompts."""


@dataclass(frozen=True)
class FitReport:
    """What a recommender reports of one fit; all values must be such as JSON can hold."""

    trained_parameters: int | None = None
    """Weights that training changes, adapters included."""
    training: TrainingReport | None = None
    """Training of the scored model, the adapters' own left out; None where there is none."""
    stages: Mapping[str, TrainingReport] = field(default_factory=dict)
    """Trainings before it by name, such as ``pretraining``."""
    adapters: Mapping[str, AdapterReport] = field(default_factory=dict)
    """Adapters in use, by role or domain."""
    merge: MergeReport | None = None
    """How adapters were merged with weights; None where they were not."""
    training_prompts: PromptReport | None = None
    """The target's training prompts, of methods whose gain is explained by them."""
    cold_rule: str = ""
    """How an item that was never trained is scored; the engine takes it from ``@register``."""
    deviations: tuple[str, ...] = ()
    """Where this differs from the publication; the engine asks :meth:`bench.plugin.Recommender.deviations`."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else a method states, by names that become readable when ``_`` is replaced by a space."""

    @property
    def ended(self) -> Ending | None:
        """Why training ended, the worst of all that was trained; None where nothing was.

        A stage that nothing checked, as pre-training for a fixed number of epochs, counts only where nothing follows
        it: the training of the scored model, which was checked, says whether more of it would have helped. What such
        stages a run had is in :attr:`unchecked_stages`.
        """
        scored: list[TrainingReport | AdapterReport] = [*self.adapters.values()]
        scored += [] if self.training is None else [self.training]
        endings: list[Ending] = [training.ended for training in scored if training.trained]
        stages: list[Ending] = [stage.ended for stage in self.stages.values() if stage.trained]
        checked: list[Ending] = [ended for ended in stages if ended != "unknown"]
        return worst_ending(endings + checked if endings else stages)

    @property
    def unchecked_stages(self) -> tuple[str, ...]:
        """Names of the stages that were trained without a check of validation."""
        return tuple(name for name, stage in self.stages.items() if stage.trained and stage.ended == "unknown")

    def stating(self, **extra: Any) -> FitReport:
        """Return this report with more under ``extra``."""
        return replace(self, extra={**self.extra, **extra})

    def to_json(self) -> dict[str, Any]:
        """Return the object that the run record holds under ``fit``."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> FitReport:
        """Read that object; raise KeyError, TypeError or AttributeError where it is not one."""
        kinds: dict[str, type[Any]]
        kinds = {"training": TrainingReport, "merge": MergeReport, "training_prompts": PromptReport}
        one = {name: None if fields[name] is None else kind(**as_tuples(fields[name])) for name, kind in kinds.items()}
        stages = {name: TrainingReport(**as_tuples(stage)) for name, stage in fields["stages"].items()}
        adapters = {role: AdapterReport(**as_tuples(adapter)) for role, adapter in fields["adapters"].items()}
        deviations = tuple(fields["deviations"])
        return cls(**{**fields, **one, "stages": stages, "adapters": adapters, "deviations": deviations})


def worst_ending(endings: Iterable[Ending | None]) -> Ending | None:
    """Return the worst of several endings; None, for what trains nothing, counts only where there is no other."""
    return min((ended for ended in endings if ended is not None), key=ENDINGS.index, default=None)


def as_tuples(value: Any) -> Any:
    """Turn JSON's lists into tuples, however deep they are."""
    if isinstance(value, list):
        return tuple(map(as_tuples, value))
    return {name: as_tuples(item) for name, item in value.items()} if isinstance(value, dict) else value
