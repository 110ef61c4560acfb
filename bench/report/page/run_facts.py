"""A run record as the page's reader meets it: weights and curves taken out of what the method reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from bench.report.page.content import Curve, RunFacts
from bench.runs.record import RunRecord, describe_variant

DECIMALS = 5
SIGNIFICANT_DIGITS = 5
FEWEST_STEPS = 2
"""Points that make a curve."""
SAID_ELSEWHERE = ("cold_rule", "deviations")
WEIGHTED_MERGINGS = ("average", "dare")
"""Ways of merging in which the target's weight counts."""
ROLES = ("adapter", "adapters", "pretraining")
TITLES = {
    "losses": "Training loss",
    "slice_losses": "Loss on examples set aside",
    "entropy_curve": "Entropy",
    "lambda_path": "Weights λ, step by step",
    "weights_path": "Weights λ, step by step",
    "validation_ndcg@3": "Validation NDCG@3",
}
"""Curves that several methods report, as a reader calls them."""
Weights = dict[str, float]


def run_facts(record: RunRecord, board: str, environment: int) -> RunFacts:
    """Return what the page says of one run."""
    details = record.details
    return RunFacts(
        id=record.id,
        method=record.spec.method,
        board=board,
        variant=describe_variant(record),
        created=record.created,
        params=dict(record.spec.params),
        overrides=tuple(sorted(record.overrides)),
        facts={**_own_facts(record), **_other_facts(details)},
        cold_rule=str(details.get("cold_rule", "")),
        deviations=tuple(map(str, details.get("deviations", ()))),
        notes=tuple(record.notes),
        warnings=tuple(record.warnings),
        weights=merge_weights(details),
        curves=tuple(curves(details)),
        environment=environment,
    )


def merge_weights(details: dict[str, Any]) -> Weights:
    """Return the weight λ of each merged adapter, where the details hold any."""
    named = {
        key.removeprefix("lambda_"): value
        for key, value in details.items()
        if key.startswith("lambda_") and _is_number(value)
    }
    target = details.get("target_weight")
    if _is_number(target) and details.get("merging", "average") in WEIGHTED_MERGINGS:
        named = _shared(target, list(details.get("adapters", {})))
    mean = details.get("mean_weights")
    named = {str(name): value for name, value in mean.items() if _is_number(value)} if _is_mapping(mean) else named
    return {name: round(value, DECIMALS) for name, value in named.items()}


def curves(details: dict[str, Any], within: str = "") -> Iterator[Curve]:
    """Yield every series of numbers in the details as a curve, those of adapters and pre-training included.

    ``…_path`` holds one list of weights a step; ``…_by_…`` holds pairs of where and what.
    """
    for key, value in details.items():
        title = _title(key) + (f", {within}" if within else "")
        if _is_mapping(value) and (key in ROLES or within):
            inside = within if key == "adapters" else f"{within} {_in_words(key)}".strip()
            yield from curves(value, inside or "adapter")
        elif _is_series(value):
            yield Curve(title, (_in_words(key),), (_rounded(value),), **_kept_step(key, details))
        elif _is_series_of_lists(value) and key.endswith("_path"):
            yield Curve(title, _weight_names(details, len(value[0])), tuple(map(_rounded, zip(*value, strict=True))))
        elif _is_series_of_lists(value) and "_by_" in key and len(value[0]) == 2:
            where, what = zip(*sorted(value), strict=True)
            yield Curve(title, (_in_words(key.partition("_by_")[0]),), (_rounded(what),), steps=_rounded(where))


def training_seconds(record: RunRecord) -> float | None:
    """Return the seconds that all training took, that of an earlier run which was found in the store included.

    A run that finds its adapters or its weights trained spends no time on them; its record says what they took.
    """
    if "fit" not in record.seconds:
        return None
    details = record.details
    adapters = details.get("adapters", {}) if _is_mapping(details.get("adapters")) else {}
    parts = [details, details.get("pretraining"), details.get("adapter"), *adapters.values()]
    return max(record.seconds["fit"], sum(_recorded_seconds(part) for part in parts if _is_mapping(part)))


def _recorded_seconds(part: dict[str, Any]) -> float:
    if _is_number(part.get("seconds")):
        return float(part["seconds"])
    each, epochs = part.get("seconds_per_epoch"), part.get("epochs")
    return float(each) * epochs if _is_number(each) and _is_number(epochs) else 0.0


def _own_facts(record: RunRecord) -> dict[str, Any]:
    spec, protocol = record.spec, record.spec.protocol
    backbone = record.backbone or {}
    return {
        "training seed": spec.seed,
        "candidate seed": protocol.seed,
        **(
            {"language model": f"{backbone.get('name')} ({backbone.get('kind')}, {backbone.get('revision')})"}
            if backbone
            else {}
        ),
        **({"source domains": ", ".join(spec.sources)} if spec.sources else {}),
        **({"ranking": spec.ranking} if spec.ranking else {}),
        **({"engine": spec.engine} if spec.engine else {}),
        **({"queries scored": spec.limit_queries} if spec.limit_queries else {}),
        **({"share of the training part": spec.train_share} if spec.train_share < 1 else {}),
        **({"validation queries": spec.limit_validation} if spec.limit_validation else {}),
        **{f"seconds to {phase}": seconds for phase, seconds in record.seconds.items()},
        **{f"peak MiB to {phase}": round(size / 2**20) for phase, size in record.peak_memory_bytes.items()},
        "device": record.device,
        "tie rate": round(record.tie_rate, DECIMALS),
    }


def _other_facts(details: dict[str, Any], within: str = "") -> dict[str, Any]:
    """Flatten what is neither said elsewhere nor a curve to readable names and plain values."""
    flat: dict[str, Any] = {}
    for key, value in details.items():
        name = f"{within} · {_in_words(key)}" if within else _in_words(key)
        if key in SAID_ELSEWHERE or _is_series(value) or _is_series_of_lists(value):
            continue
        if _is_mapping(value):
            flat |= _other_facts(value, name)
        elif value is not None:
            flat[name] = ", ".join(map(str, value)) if isinstance(value, list) else _shortened(value)
    return flat


def _shortened(value: Any) -> Any:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def _shared(target: float, names: list[str]) -> Weights:
    """The first adapter is the target's; the others share the rest equally."""
    first, *others = names or ["target"]
    return {first: target, **{name: (1 - target) / len(others) for name in others}}


def _kept_step(key: str, details: dict[str, Any]) -> dict[str, Any]:
    if key.startswith("validation_") and details.get("best_epoch"):
        return {"kept": details["best_epoch"] - 1}
    if key == "slice_losses":
        return {"kept": details.get("best_check"), "first_step": 0}
    return {}


def _weight_names(details: dict[str, Any], n: int) -> tuple[str, ...]:
    names = tuple(merge_weights(details))
    return names if len(names) == n else tuple(f"weight {number}" for number in range(1, n + 1))


def _title(key: str) -> str:
    words = _in_words(key)
    return TITLES.get(key, words[:1].upper() + words[1:])


def _in_words(key: str) -> str:
    return key.replace("_", " ")


def _rounded(values: Any) -> tuple[float, ...]:
    return tuple(round(float(value), DECIMALS) for value in values)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_mapping(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_series(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= FEWEST_STEPS and all(map(_is_number, value))


def _is_series_of_lists(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= FEWEST_STEPS
        and all(_is_series(step) and len(step) == len(value[0]) for step in value)
    )
