"""Build the keys under which trained weights are stored, from everything that determines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.files.hashing import content_hash
from bench.files.revisions import UNKNOWN_SOURCE, Revision, revision_of

if TYPE_CHECKING:
    from bench.plugin import Recommender, Task


def training_key(
    recommender: Recommender,
    task: Task,
    params: Mapping[str, Any] | None = None,
    *,
    knows_target: bool = True,
    libraries: Sequence[str] = (),
    read_by: Sequence[str] = (),
    **made_of: Any,
) -> dict[str, Any]:
    """Return the key of a training's weights: equal keys mean equal weights.

    If the code cannot be read, as in a notebook, no two keys are equal.

    Args:
        recommender: The recommender that owns the weights; its class's module determines the revision of the code.
        task: The seed, the training data and the validation data.
        params: The parameters used in this training; None uses all of the recommender's.
        knows_target: Whether the target is used for training or validation; otherwise all targets share the weights.
        libraries: Packages besides torch whose versions matter.
        read_by: Modules whose revisions count as well, because they compute the model's inputs.
        made_of: Anything else that determines the weights, by name: a backbone's revision, the sources' content hashes.
    """
    method = type(recommender)
    return {
        "class": f"{method.__module__}:{method.__qualname__}",
        "code": _known(revision_of(method.__module__, *read_by)),
        "params": dict(asdict(recommender.params) if params is None else params),
        "seed": task.seed,
        "versions": {package: version(package) for package in ("torch", *libraries)},
        **(_facts_of_target(task) if knows_target else {}),
        **made_of,
    }


def _known(code: Revision) -> Revision:
    return f"{code}, {uuid4()}" if code == UNKNOWN_SOURCE else code


def _facts_of_target(task: Task) -> dict[str, str]:
    """Return the setting, and hashes of the target data used for training and early stopping."""
    queries, answers = task.validation, task.validation_answers
    asked = (queries.users, queries.history_indptr, queries.history_items, queries.candidates, answers.positive_column)
    return {"setting": task.setting, "domain": task.target.content_hash, "validation": content_hash(*asked)}
