"""The facts, learning curves and merge weights of a run, as shown on the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.report.page.content import Curve, RunFacts
from bench.runs.record import RunRecord, describe_variant
from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from bench.plugin import AdapterReport, FitReport, MergeReport, TrainingReport

DECIMALS = 5
SECONDS_DECIMALS = 3
SIGNIFICANT_DIGITS = 5
FEWEST_STEPS = 2
"""Minimum number of points of a curve."""
TITLES = {
    "losses": "Training loss",
    "slice_losses": "Loss on held-out examples",
    "validation": "Validation NDCG@3",
    "validation_ndcg@3": "Validation NDCG@3",
}
"""Titles of learning curves."""


def run_facts(record: RunRecord, board: str, environment: int, metrics: Sequence[str] = ()) -> RunFacts:
    """Return the facts of one run, with its results in ``metrics``."""
    fit = record.fit
    return RunFacts(
        id=record.id,
        method=record.spec.method,
        board=board,
        variant=describe_variant(record),
        created=record.created,
        command=RunRequest.of(record.spec, record.overrides).command(),
        metrics=tuple(_metric(record, name) for name in metrics),
        params=dict(record.spec.params),
        overrides=tuple(sorted(record.overrides)),
        facts={**_own_facts(record), **fit_facts(fit)},
        cold_rule=fit.cold_rule,
        deviations=fit.deviations,
        notes=tuple(record.notes),
        warnings=tuple(record.warnings),
        ended=fit.ended or "",
        weights=merge_weights(fit),
        curves=tuple(curves(fit)),
        environment=environment,
        commit=commit_of(record),
    )


def commit_of(record: RunRecord) -> str:
    """Return the commit of the code and whether it was changed; empty if not recorded."""
    git = record.git or {}
    return f"{git.get('commit', '')}" + (" with uncommitted changes" if git.get("dirty") else "")


def _metric(record: RunRecord, name: str) -> tuple[float, float, float] | None:
    found = record.metrics.get(name)
    if found is None:
        return None
    value, low, high = (round(found[key], DECIMALS) for key in ("value", "low", "high"))
    return value, low, high


def merge_weights(fit: FitReport) -> dict[str, float]:
    """Return the weight λ of each merged adapter, if reported."""
    weights = {} if fit.merge is None else fit.merge.weights
    return {role: round(weight, DECIMALS) for role, weight in weights.items()}


def curves(fit: FitReport) -> Iterator[Curve]:
    """Yield the learning curves of a method, starting with those of its adapters."""
    for role, adapter in fit.adapters.items():
        yield from _adapter_curves(adapter, f", adapter {role}")
    if fit.training is not None:
        yield from _learning_curves(fit.training, "")
    for stage, training in fit.stages.items():
        yield from _learning_curves(training, f", {stage}")
    if fit.merge is not None:
        yield from _merge_curves(fit.merge)


def training_seconds(record: RunRecord) -> float | None:
    """Return the seconds of all training, including cached models and adapters of earlier runs.

    A run that loads adapters or weights from the cache spends no time on training them, but its record contains the
    time their training took.
    """
    if "fit" not in record.seconds:
        return None
    fit = record.fit
    trainings: list[TrainingReport | AdapterReport] = [*fit.stages.values(), *fit.adapters.values()]
    if fit.training is not None:
        trainings = [fit.training, *trainings]
    return max(record.seconds["fit"], sum(training.seconds or 0.0 for training in trainings))


def fit_facts(fit: FitReport) -> dict[str, Any]:
    """Return the reported facts by readable names, except curves and facts shown elsewhere."""
    stated = {
        "trained_parameters": fit.trained_parameters,
        **({} if fit.training is None else _training_facts(fit.training)),
        **{stage: _training_facts(training) for stage, training in fit.stages.items()},
        "adapters": {role: _adapter_facts(adapter) for role, adapter in fit.adapters.items()},
        "entropy_range_nats": None if fit.merge is None else fit.merge.entropy_range_nats,
        "training_prompts": None if fit.training_prompts is None else asdict(fit.training_prompts),
        **fit.extra,
    }
    return _flattened(stated)


def _adapter_curves(adapter: AdapterReport, of: str) -> Iterator[Curve]:
    best, checked = adapter.best_check, _rounded(adapter.epoch_of_check) or None
    validated = _rounded(adapter.epoch_of_validation) or None
    # where validation was measured only before training and of the kept state, that state is the second value
    kept = None if best is None else min(best, len(adapter.validation) - 1)
    yield from _curve("validation", adapter.validation, of, kept=kept, steps=validated)
    yield from _curve("losses", adapter.losses, of)
    yield from _curve("slice_losses", adapter.slice_losses, of, kept=best, steps=checked, first_step=0)


def _learning_curves(training: TrainingReport, of: str) -> Iterator[Curve]:
    for name, values in training.curves.items():
        is_validation = name.startswith("validation_")
        steps = _rounded(training.epoch_of_check) if is_validation else ()
        yield from _curve(name, values, of, kept=_kept(training) if is_validation else None, steps=steps or None)


def _kept(training: TrainingReport) -> int | None:
    """Return the index of the check whose weights were kept."""
    best, checks = training.best_epoch, training.epoch_of_check
    if checks and best is not None:
        return min(range(len(checks)), key=lambda check: abs(checks[check] - best))
    return int(best) - 1 if best else None


def _merge_curves(merge: MergeReport) -> Iterator[Curve]:
    if len(merge.entropy) >= FEWEST_STEPS:
        yield Curve("Entropy", ("entropy curve",), (_rounded(merge.entropy),))
    if len(merge.path) >= FEWEST_STEPS:
        lines = tuple(map(_rounded, zip(*merge.path, strict=True)))
        yield Curve("Weights λ, step by step", tuple(merge.weights), lines)
    if len(merge.validation) >= FEWEST_STEPS:
        weights, values = zip(*sorted(merge.validation), strict=True)
        title = "Validation ndcg@3 by target weight"
        yield Curve(title, ("validation ndcg@3",), (_rounded(values),), steps=_rounded(weights))
    if len(merge.entropy_by_weight) >= FEWEST_STEPS:
        weights, values = zip(*sorted(merge.entropy_by_weight), strict=True)
        yield Curve("Entropy by target weight", ("entropy",), (_rounded(values),), steps=_rounded(weights))


def _curve(name: str, values: Sequence[float], of: str, **facts: Any) -> Iterator[Curve]:
    """Yield a curve if there are enough values to draw one."""
    if len(values) >= FEWEST_STEPS:
        words = _in_words(name)
        title = TITLES.get(name, words[:1].upper() + words[1:])
        yield Curve(title + of, (words,), (_rounded(values),), **facts)


def _training_facts(training: TrainingReport) -> dict[str, Any]:
    seconds, epochs = training.seconds, training.epochs
    each = round(seconds / epochs, SECONDS_DECIMALS) if seconds and epochs else seconds
    return {
        "domains": training.domains,
        "n_examples": training.n_examples,
        "epochs": epochs,
        "best_epoch": training.best_epoch,
        "training_ended": training.ended if training.trained else None,
        "seconds" if epochs is None else "seconds_per_epoch": each,
        **_too_short(training.curves),
    }


def _adapter_facts(adapter: AdapterReport) -> dict[str, Any]:
    facts = asdict(adapter)
    curves = {name: facts.pop(name) for name in ("losses", "slice_losses", "validation")}
    del facts["epoch_of_check"]
    return {**facts, "training_ended": facts.pop("ended"), **_too_short(curves)}


def _too_short(curves: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """Return the curves with too few values to be drawn."""
    return {name: values for name, values in curves.items() if len(values) < FEWEST_STEPS}


def _own_facts(record: RunRecord) -> dict[str, Any]:
    spec, protocol = record.spec, record.spec.protocol
    backbone = record.backbone or {}
    return {
        "training seed": spec.seed,
        "split seed": protocol.seed,
        **(
            {"language model": f"{backbone.get('name')} ({backbone.get('kind')}, {backbone.get('revision')})"}
            if backbone
            else {}
        ),
        **({"source datasets": ", ".join(spec.sources)} if spec.sources else {}),
        **({"scoring": spec.ranking} if spec.ranking else {}),
        **({"backend": spec.engine} if spec.engine else {}),
        **({"queries scored": spec.limit_queries} if spec.limit_queries else {}),
        **({"fraction of the training data": spec.train_share} if spec.train_share < 1 else {}),
        **({"validation queries": spec.limit_validation} if spec.limit_validation else {}),
        **{f"seconds to {phase}": seconds for phase, seconds in record.seconds.items()},
        **{f"peak MiB to {phase}": round(size / 2**20) for phase, size in record.peak_memory_bytes.items()},
        "device": record.device,
        **({"PyTorch threads": record.threads} if record.threads else {}),
        "candidates": record.candidates_hash,
        **{f"data of {name}": content for name, content in record.data.items()},
        "tie rate": round(record.tie_rate, DECIMALS),
    }


def _flattened(stated: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Return plain values by readable names, without empty values and None."""
    flat: dict[str, Any] = {}
    for key, value in stated.items():
        name = f"{within} · {_in_words(key)}" if within else _in_words(key)
        if isinstance(value, Mapping):
            flat |= _flattened(value, name)
        elif isinstance(value, list | tuple):
            flat |= {name: ", ".join(map(str, value))} if value else {}
        elif value is not None:
            flat[name] = _shortened(value)
    return flat


def _shortened(value: Any) -> Any:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def _in_words(key: str) -> str:
    return key.replace("_", " ")


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), DECIMALS) for value in values)
