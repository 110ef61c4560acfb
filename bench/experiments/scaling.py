"""Apply a scale to an experiment."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.experiments.scale import SCALES, Scale
from bench.registry import WRAPPER_SEPARATOR, Registry
from bench.runs.params import RECIPE, with_recipe

if TYPE_CHECKING:
    from bench.experiments.experiment import Experiment, ExperimentRow
    from bench.plugin import Entry

FEWEST_USERS = 5
"""Training users added to a row's scaled number, so that different numbers remain different."""
OFF_AT_ZERO = frozenset({"pretrain_examples"})
"""Sizes that are nothing at 0. At 0, every other size is all of the data."""


class KeptParams(dict[str, Any]):
    """The parameters of a row that the scale does not change."""


def scaled(experiment: Experiment, name: str, registry: Registry) -> Experiment:
    """Return an experiment at a scale, with the scale in its caption.

    A row keeps its own backbone, if it has one; ``registry`` provides the kind of language model of each method.
    Parameters are not changed here, because only the methods' modules define which of them are sizes;
    :func:`with_sizes` sets them for a run.
    """
    scale = next((own for own in experiment.own_scales if own.name == name), SCALES[name])
    return dataclasses.replace(
        experiment,
        scale=scale,
        caption=f"{experiment.caption} {scale.sentence()}".rstrip(),
        limit_queries=_smaller(experiment.limit_queries, scale.limit_queries),
        rows=tuple(_scaled_row(row, scale, registry) for row in experiment.rows),
    )


def sizes_of(method: str, scale: Scale, registry: Registry) -> dict[str, float]:
    """Return the parameters of a method that a scale limits; empty without limits or if the method is not installed.

    The method's module is only imported if the scale has limits.
    """
    entry = registry.entries.get(method.partition(WRAPPER_SEPARATOR)[0])
    if not scale.sizes or entry is None or not entry.target:
        return {}
    return scale.sizes_of(registry.recommender(method).Params)


def with_sizes(params: Mapping[str, Any], sizes: Mapping[str, float]) -> dict[str, Any]:
    """Return a row's parameters limited to the sizes of a scale; no parameter is increased."""
    if isinstance(params, KeptParams):
        return dict(params)
    return {**params, **{name: _smaller(_size(name, params.get(name)), size) for name, size in sizes.items()}}


def _size(name: str, stated: Any) -> Any:
    """Return the value of a size, None for all of the data."""
    return None if stated == 0 and name not in OFF_AT_ZERO else stated


def _scaled_row(row: ExperimentRow, scale: Scale, registry: Registry) -> ExperimentRow:
    backbone = row.backbone or _backbone(scale, registry.entries.get(row.method))
    params = row.params
    if RECIPE in params:  # only the method's module defines its recipes
        params = with_recipe(row.method, registry.recommender(row.method), params)
        params = KeptParams(params) if scale.keeps_recipes else params
    scaled_row = dataclasses.replace(row, backbone=backbone, params=params)
    if scale.train_share == 1:
        return scaled_row
    if row.train_users is not None:  # a number of users replaces a fraction
        users = min(row.train_users, FEWEST_USERS + math.ceil(row.train_users * scale.train_share))
        return dataclasses.replace(scaled_row, train_users=users)
    return dataclasses.replace(scaled_row, train_share=round(row.train_share * scale.train_share, 6))


def _backbone(scale: Scale, entry: Entry | None) -> str | None:
    models = {"encoder": scale.encoder, "decoder": scale.backbone}
    return None if entry is None else models.get(entry.runs_on)


def _smaller(stated: Any, limit: float | None) -> Any:
    return limit if stated is None else stated if limit is None else min(stated, limit)
