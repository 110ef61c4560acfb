"""RecBole's model classes: list them, read their parameters, and build one without RecBole's other layers.

Names and defaults are read from RecBole's files as text, which imports neither RecBole nor torch.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, make_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import yaml
from bench.baselines.recbole_models.ranges import limits_of

from bench.errors import BenchError, unknown_name
from bench.files.extras import package_folder, require
from bench.learning.params import TrainingParams

FAMILIES = ("sequential_recommender", "general_recommender")
LIST_COMMAND = "bench describe recbole"

USER, ITEM, LENGTH, LABEL, TIME, FEATURE = "user_id", "item_id", "item_length", "label", "time", "class"
LIST_SUFFIX, NEGATIVE_PREFIX = "_list", "neg_"
ITEMS, NEGATIVE = ITEM + LIST_SUFFIX, NEGATIVE_PREFIX + ITEM
FIELD_NAMES: Mapping[str, Any] = MappingProxyType(
    {
        "USER_ID_FIELD": USER,
        "ITEM_ID_FIELD": ITEM,
        "ITEM_LIST_LENGTH_FIELD": LENGTH,
        "LABEL_FIELD": LABEL,
        "RATING_FIELD": "rating",
        "TIME_FIELD": TIME,
        "LIST_SUFFIX": LIST_SUFFIX,
        "NEG_PREFIX": NEGATIVE_PREFIX,
        "numerical_features": (),
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1, "dynamic": False},
    }
)
"""The settings in RecBole's configuration that describe the columns of a batch."""

UNSUPPORTED: Mapping[str, str] = MappingProxyType(
    {
        "DIEN": "it needs a negative for every item of a history",
        "GRU4RecKG": "it needs knowledge-graph embeddings",
        "KSR": "it needs knowledge-graph embeddings",
        "NCL": "it needs its own trainer, which clusters between epochs",
        "RaCT": "it needs its own three-stage trainer",
        "RecVAE": "it needs its own trainer, which alternates between encoder and decoder",
        "S3Rec": "it needs its own two-stage trainer; use s3rec instead",
        "SpectralCF": "it calls a private scipy function that no longer exists",
    }
)
"""RecBole classes that are not supported, each with the reason."""


class ModelConfig(dict[str, Any]):
    """The configuration that a RecBole model reads; like RecBole's own, it returns None for a missing key."""

    def __missing__(self, key: str) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)


class PublicAdjacency:
    """Mixin for RecBole's graph models, which call a private scipy function that no longer exists."""

    interaction_matrix: Any

    def get_norm_adj_mat(self) -> Any:
        """Return D^-1/2 A D^-1/2 of the graph of users and items, a sparse tensor."""
        import numpy as np
        import torch
        from scipy import sparse

        ones = (self.interaction_matrix.tocsr() > 0).astype(np.float32)
        graph = sparse.block_array([[None, ones], [ones.T, None]], format="csr")
        scale = sparse.diags_array((graph.sum(axis=1) + 1e-7) ** -0.5)
        normalized = (scale @ graph @ scale).tocoo()
        indices = torch.from_numpy(np.stack([normalized.row, normalized.col]).astype(np.int64))
        values = torch.from_numpy(normalized.data.astype(np.float32))
        return torch.sparse_coo_tensor(indices, values, normalized.shape, check_invariants=False)


class ScoresWithoutAnswer:
    """Mixin for RecBole's softmax-CPR models, which otherwise read the target even when only scoring."""

    def calculate_loss_prob(self, interaction: Any, only_compute_prob: bool = False) -> Any:
        """Return the loss, or None if the batch contains no target, and the probability of every item."""
        recbole: Any = super()
        return recbole.calculate_loss_prob(interaction, only_compute_prob or ITEM not in interaction.interaction)


MIXINS: Mapping[str, type[Any]] = MappingProxyType(
    {
        **dict.fromkeys(("GCMC", "LightGCN", "NGCF"), PublicAdjacency),
        **dict.fromkeys(("GRU4RecCPR", "SASRecCPR"), ScoresWithoutAnswer),
    }
)
"""Classes with a method that does not work here, each with the mixin that replaces the method."""


@cache
def model_modules() -> Mapping[str, str]:
    """Return the modules of the installed RecBole's sequential and general model classes, by class name."""
    found: dict[str, str] = {}
    for family in FAMILIES:
        for path in sorted((_folder() / "model" / family).glob("*.py")):
            names = re.findall(r"^class (\w+)\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            found |= {name: f"recbole.model.{family}.{path.stem}" for name in names if name.lower() == path.stem}
    return MappingProxyType(found)


def require_model(name: str) -> None:
    """Raise BenchError unless RecBole has this class and it is supported."""
    if name not in model_modules():
        raise unknown_name("RecBole class", name, model_modules(), LIST_COMMAND)
    if name in UNSUPPORTED:
        raise BenchError(f"RecBole's {name} is not supported: {UNSUPPORTED[name]}. See '{LIST_COMMAND}'.")


@contextmanager
def importing_recbole() -> Iterator[None]:
    """Keep the side effects of importing RecBole's modules from the rest of the process.

    Raises:
        BenchError: RecBole or a package that its models import is not installed.
    """
    require("A RecBole model", "recbole")
    import torch

    detects_anomalies = torch.is_anomaly_enabled()
    with warnings.catch_warnings():
        # Python warns about unescaped backslashes when it first compiles some of RecBole's files.
        warnings.filterwarnings("ignore", message=".*invalid escape sequence")
        yield
    # One of RecBole's models turns this on globally, which makes every step two to three times slower.
    torch.autograd.set_detect_anomaly(detects_anomalies)


def model_class(name: str) -> type[Any]:
    """Import a RecBole model class."""
    require_model(name)
    with importing_recbole():
        module = importlib.import_module(model_modules()[name])
    found: type[Any] = getattr(module, name)
    return type(name, (MIXINS[name], found), {}) if name in MIXINS else found


@cache
def params_class(name: str) -> type[Any]:
    """Return a frozen dataclass of a model's parameters: the shared ones, then RecBole's own with its defaults."""
    require_model(name)
    shared = TrainingParams.__dataclass_fields__
    own = {key: value for key, value in _defaults(name).items() if key.isidentifier() and key not in shared}
    fields = [
        (key, type(value), field(default=value, metadata=_facts(name, key, value, own))) for key, value in own.items()
    ]
    made = make_dataclass(f"{name}Params", fields, bases=(TrainingParams,), frozen=True)
    made.__doc__ = f"Parameters of RecBole's {name}."
    return made


def model_config(values: Mapping[str, Any], params: TrainingParams, device: str, seed: int) -> ModelConfig:
    """Return the settings of one model: RecBole's field names, then the model's own values."""
    import torch

    return ModelConfig(
        FIELD_NAMES,
        device=torch.device(device),
        seed=seed % 2**32,
        MAX_ITEM_LIST_LENGTH=params.max_length,
        train_batch_size=params.batch_size,
        **{key: list(value) if isinstance(value, tuple) else value for key, value in values.items()},
    )


def _folder() -> Path:
    require("A RecBole model", "recbole")
    return cast("Path", package_folder("recbole"))


def _properties(name: str) -> str:
    path = _folder() / "properties" / "model" / f"{name}.yaml"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _defaults(name: str) -> dict[str, Any]:
    return {key: _plain(value) for key, value in (yaml.safe_load(_properties(name)) or {}).items()}


def _plain(value: Any) -> Any:
    """Make a value hashable, and parse numbers that YAML 1.1 reads as text (``1e-12`` without a point)."""
    if isinstance(value, list):
        return tuple(_plain(part) for part in value)
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?e[+-]?\d+", value):
        return float(value)
    return value


def _facts(name: str, key: str, default: Any, own: Collection[str]) -> dict[str, Any]:
    """Return the metadata of a parameter: RecBole's explanation and its range."""
    return {"help": _helps(name).get(key, ""), **limits_of(key, default, own)}


def _helps(name: str) -> dict[str, str]:
    """Return the explanations that RecBole's file gives next to its defaults."""
    matches = re.finditer(r"^(\w+):.*?#\s*(?:\([^)]*\)\s*)?(.+)$", _properties(name), flags=re.MULTILINE)
    return {match[1]: match[2].strip() for match in matches}
