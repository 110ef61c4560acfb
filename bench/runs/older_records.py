"""Read older records: convert free-form ``details`` to a fit report, and derive from curves why training ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.learning.convergence import decayed_ending, ending
from bench.plugin import AdapterReport, Ending, FitReport, MergeReport, PromptReport, TrainingReport
from bench.plugin.fit_report import as_tuples

VALIDATION = "validation_ndcg@3"
BY_WEIGHT = f"{VALIDATION}_by_target_weight"
PARAMETERS = ("n_trained_parameters", "trained_parameters", "parameters")
"""Names of the number of trained parameters, most exact first."""
DECAYING = ("p5",)
"""Methods whose learning rate decays to zero over the whole training."""
WEIGHTED_MERGES = ("average", "dare")
"""WeaveRec's merging operators that use the target's weight."""

Details = dict[str, Any]


def with_fit_report(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record with its report under ``fit``, converted from ``details`` in older records.

    If the record does not state why a training ended, that is derived from its curve.
    """
    others = {name: value for name, value in fields.items() if name != "details"}
    fit = fields["fit"] if "fit" in fields else fit_report_of(fields.get("details", {})).to_json()
    return {**others, "fit": _with_endings(fit, decays=fields["spec"]["method"] in DECAYING)}


def _with_endings(fit: Mapping[str, Any], *, decays: bool) -> dict[str, Any]:
    """Return the JSON of a fit with the missing reasons for the end of trainings filled in."""
    training = fit["training"]
    return {
        **fit,
        "training": None if training is None else _ended(training, _ending_of_epochs(training, decays=decays)),
        "stages": {name: _ended(stage, _ending_of_epochs(stage)) for name, stage in fit["stages"].items()},
        "adapters": {role: _ended(adapter, _ending_of_adapter(adapter)) for role, adapter in fit["adapters"].items()},
    }


def _ended(training: Mapping[str, Any], derived: Ending) -> dict[str, Any]:
    stated = training.get("ended", "unknown")
    return {**training, "ended": derived if stated == "unknown" else stated}


def _ending_of_epochs(training: Mapping[str, Any], *, decays: bool = False) -> Ending:
    """Derive an ending from a curve with one value per epoch; the learning rate is constant unless it ``decays``."""
    return (decayed_ending if decays else ending)(training["curves"].get(VALIDATION, ()))


def _ending_of_adapter(adapter: Mapping[str, Any]) -> Ending:
    """Derive an ending from the losses on held-out examples; these adapters used a learning rate with cosine decay."""
    n_checks = len(adapter["slice_losses"])
    if not n_checks:
        return "unknown"
    return "rising" if adapter["best_check"] in (None, n_checks - 1) else "budget"


def fit_report_of(details: Mapping[str, Any]) -> FitReport:
    """Convert the details of an older record to a report; entries without a field go into ``extra``."""
    rest = dict(details)
    adapters = _adapters(rest)
    return FitReport(
        trained_parameters=_trained_parameters(rest),
        training=_training(rest) if "epochs" in rest else None,
        stages={"pretraining": _pretraining(rest.pop("pretraining"))} if "pretraining" in rest else {},
        adapters=adapters,
        merge=_merge(rest, list(adapters)),
        training_prompts=PromptReport(**rest.pop("training_prompts")) if "training_prompts" in rest else None,
        cold_rule=rest.pop("cold_rule", ""),
        deviations=tuple(rest.pop("deviations", ())),
        extra=rest,
    )


def _trained_parameters(rest: Details) -> int | None:
    """Remove and return the most exact number; less exact ones remain."""
    name = next((name for name in PARAMETERS if isinstance(rest.get(name), int)), None)
    return None if name is None else int(rest.pop(name))


def _training(rest: Details) -> TrainingReport:
    """Remove and return the report of a training."""
    epochs, each = rest.pop("epochs"), rest.pop("seconds_per_epoch", None)
    curves = {name: tuple(rest.pop(name)) for name in (VALIDATION, "losses") if name in rest}
    seconds = None if each is None else float(each) * epochs
    return TrainingReport(seconds=seconds, epochs=epochs, best_epoch=rest.pop("best_epoch", None), curves=curves)


def _pretraining(facts: Mapping[str, Any]) -> TrainingReport:
    """Read a pretraining stage, which RecFormer reports by examples and the others by epochs."""
    domains = tuple(facts.get("sources", ()))
    if "epochs" not in facts:
        curves = {"losses": (facts["loss"],)}
        return TrainingReport(domains, facts["examples"], facts["seconds"], curves=curves)
    seconds = float(facts["seconds_per_epoch"]) * facts["epochs"]
    return TrainingReport(domains, seconds=seconds, epochs=facts["epochs"], curves={"losses": tuple(facts["losses"])})


def _adapters(rest: Details) -> dict[str, AdapterReport]:
    """Remove and return the adapters; the role of an adapter without one is the names of its domains."""
    by_role = rest.pop("adapters", {})
    if "adapter" in rest:
        alone = rest.pop("adapter")
        by_role = {" + ".join(alone["domains"]): alone}
    return {role: _adapter(facts) for role, facts in by_role.items()}


def _adapter(facts: Mapping[str, Any]) -> AdapterReport:
    others = {name: value for name, value in facts.items() if name != "hash"}
    return AdapterReport(facts["hash"], **as_tuples(others))


def _merge(rest: Details, roles: Sequence[str]) -> MergeReport | None:
    """Remove and return the weights of the adapters, which methods reported in three forms."""
    entropy, path = rest.pop("entropy_curve", ()), rest.pop("lambda_path", rest.pop("weights_path", ()))
    learned: Details = as_tuples({"path": path, "entropy": entropy})
    if "mean_weights" in rest:
        return MergeReport(rest.pop("mean_weights"), **learned)
    if "lambda_specific" in rest:
        weights = {role: rest.pop(f"lambda_{role}") for role in ("general", "specific")}
        return MergeReport(weights, weights["specific"] if entropy else None, **learned)
    if "target_weight" not in rest:
        return None
    target, validation = rest.pop("target_weight"), rest.pop(BY_WEIGHT, ())
    if rest.get("merging") not in WEIGHTED_MERGES:
        return None
    chosen = target if validation else None
    return MergeReport(_shared_out(target, roles), chosen, validation=as_tuples(validation))


def _shared_out(target: float, roles: Sequence[str]) -> dict[str, float]:
    """Return the weight per role: the first adapter is the target's, the others share the rest equally."""
    first, *others = roles
    return {first: target, **{role: (1 - target) / len(others) for role in others}}
