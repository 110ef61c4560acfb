"""Ranges of RecBole's parameters, inferred from their names because RecBole's default files do not state them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from bench.plugin.ranges import Limits, above, at_least, at_most, below, between, divides, only

WIDTHS = ("hidden_size", "embedding_size")
"""Parameters that the number of attention heads must divide; the first one that a model has is used."""
_RANGES: Mapping[str, Limits] = MappingProxyType(
    {
        r"\w*drop(out|_ratio)\w*": at_least(0) | below(1),
        r"n_facet_(MLP|window)": {},  # negative numbers count from the last
        r"\w*_size(_list)?|n_\w+|num_\w+|nh|nv|k|k_interests|kfac|rank": at_least(1),
        r"\w*_num|\w*_dim(ension)?|\w*dims\w*|reranker_CAN_NUM": at_least(1),
        r"steps?|order|order_len|high_order|history_\w+|cnn_\w+|dilations|resolution|short_item_length": at_least(1),
        r"\w+_ratio|weight|\w*anneal_cap": between(0, 1),
        r"\w*temperature|\w*tau|\w+_eps|rho": above(0),
        r"lambda\d|lamda|lmd\w*|\w*reg_weight\w*|\w+_weight|alpha|beta|gamma|q|w_max|w_min": at_least(0),
        r"noise_\w+|margin|shrink|std|initializer_range|\w+_steps|split_to|topk_factor": at_least(0),
        r"context_norm|post_remove_context|use_proj_bias": between(0, 1),
        r"learning_rate": above(0) | at_most(1),
    }
)

_READS_FILES = r"\w*pretrain_path|pre_model_path|use_pretrain|train_method|n_cate"
"""Parameters that would make a class unpickle a file named by the user."""


def limits_of(name: str, default: Any, others: Collection[str]) -> Limits:
    """Return the range of a parameter as the metadata of a dataclass field; empty if it needs none.

    Args:
        name: RecBole's name.
        default: RecBole's default.
        others: Names of the model's parameters.
    """
    if re.fullmatch(_READS_FILES, name):
        return only(default)
    values = default if isinstance(default, tuple) else (default,)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {}
    limits = next((limits for pattern, limits in _RANGES.items() if re.fullmatch(pattern, name)), {})
    width = next((width for width in WIDTHS if width in others), None)
    return limits | divides(width) if name == "n_heads" and width else limits
