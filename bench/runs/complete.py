"""Fill in and validate a run request."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from bench.data.names import checked_name
from bench.data.own_data import dataset_names, sources_of
from bench.errors import BenchError, did_you_mean, near_names
from bench.files.folders import expanded
from bench.lm.backbones import CARDS, DECODERS, needs_decoder
from bench.registry import registry
from bench.runs.params import build_params, named_params, with_recipe
from bench.runs.request import RequestOption, RunRequest, request_options, run_options
from bench.spec import DEFAULT_BACKBONE, DEFAULT_RANKING, DEFAULT_SEQ2SEQ_BACKBONE, RunSpec

if TYPE_CHECKING:
    from pathlib import Path

    from bench.plugin import Entry


def complete(request: RunRequest, data_dir: Path | None = None) -> RunSpec:
    """Fill in defaults and reject options the method cannot use.

    Args:
        request: What is wanted.
        data_dir: Directory that may contain a card of the user's own dataset, with default sources.

    Raises:
        BenchError: an invalid dataset name, an unknown method or parameter, a value out of range, a setting the method
            lacks, sources or a backbone it does not use, or full ranking by a method that can only rank lists.
    """
    request = _with_known_names(request)
    entry, recommender = registry().entry(request.method), registry().recommender(request.method)
    for option in request_options():
        _check_value(option, request)
    _check_method(entry, request)
    _check_users(request)
    backbone = _named_backbone(request.backbone or _default_backbone(entry)) if entry.needs_backbone else None
    _check_kind(entry, backbone)
    _check_ranking(entry, request, backbone)
    given = with_recipe(request.method, recommender, request.params)
    params = build_params(request.method, recommender.Params, given)
    completed = dataclasses.replace(request, backbone=backbone, sources=_chosen_sources(entry, request, data_dir))
    options = {option.name: option.value_in(completed) for option in run_options()}
    return RunSpec(request.method, request.protocol, named_params(params), **options)


def _with_known_names(request: RunRequest) -> RunRequest:
    """Return the request with names of method and datasets as they are known, for users may write them in any case."""
    return dataclasses.replace(
        request,
        method=registry().named(request.method),
        dataset=checked_name(request.dataset),
        sources=tuple(map(checked_name, request.sources or ())),
    )


def _check_value(option: RequestOption, request: RunRequest) -> None:
    """Reject a value that is not among the choices or is out of range."""
    value = getattr(request, option.name)
    if value is None:
        return
    if value == "" and not option.is_required:
        raise BenchError(f"{option.flag} is empty; leave it out for the default.")
    if option.choices and value not in option.choices:
        expected = " or ".join(option.choices)
        raise BenchError(f"{option.flag} must be {expected}, not {value!r}.{did_you_mean(value, option.choices)}")
    if not option.allows(value):
        raise BenchError(f"{option.flag} must be {option.range}, not {value}.")


def _check_method(entry: Entry, request: RunRequest) -> None:
    """Reject a setting, an option or full ranking that the method does not support."""
    if request.setting not in entry.settings:
        offered = ", ".join(entry.settings)
        raise BenchError(f"Method '{request.method}' does not support --setting {request.setting}; expected {offered}.")
    for option in request_options():
        if option.is_given_in(request) and not option.is_used_by(entry):
            raise BenchError(
                f"Method '{request.method}' does not use {option.flag}: remove it. "
                f"See 'bench describe {request.method}'."
            )
    if request.full_ranking and not entry.ranks_catalogue:
        able = ", ".join(sorted(name for name, other in registry().entries.items() if other.ranks_catalogue))
        raise BenchError(
            f"Method '{request.method}' can only rank candidate lists: remove --full-ranking. "
            f"Methods that can rank the full catalogue: {able}."
        )


def _check_users(request: RunRequest) -> None:
    """Reject a number of users together with a fraction, or a subset index without a number of users."""
    if request.train_users is None and request.train_subset:
        raise BenchError("--subset-index needs --train-users: add --train-users or remove --subset-index.")
    if request.train_users is not None and request.train_share < 1:
        raise BenchError("--train-users and --train-fraction cannot be combined: give one of them.")


def _check_ranking(entry: Entry, request: RunRequest, backbone: str | None) -> None:
    """Reject a scoring that the method or backbone does not have, and a backend without generation."""
    if request.engine is not None and request.ranking != "generate":
        raise BenchError("--backend needs --scoring generate: add --scoring generate or remove --backend.")
    if request.ranking in (None, DEFAULT_RANKING):
        return
    if not entry.writes_lists:
        lacks = "generate ranked lists" if request.ranking == "generate" else "score by a decoder's likelihood"
        raise BenchError(
            f"Method '{request.method}' cannot {lacks}: remove --scoring {request.ranking}. "
            f"See 'bench describe {request.method}'."
        )
    if backbone == DEFAULT_BACKBONE:
        raise needs_decoder(backbone, request.ranking)


def _check_kind(entry: Entry, backbone: str | None) -> None:
    """Reject a backbone whose name already shows that it is of another kind, before loading it."""
    if backbone in DECODERS and entry.runs_on in ("encoder", "text-encoder"):
        raise BenchError(
            f"Backbone '{backbone}' is a decoder, and method '{entry.name}' runs on an encoder, such as --backbone "
            f"{DEFAULT_BACKBONE}. See 'bench describe {entry.name}'."
        )


def _named_backbone(name: str) -> str:
    """Return a backbone's name as used in records: directories are normalized, and the home directory is ``~``."""
    if name in CARDS or not expanded(name).is_dir():
        return name
    path, home = expanded(name), expanded("~")
    is_at_home = path.is_absolute() and home.is_absolute() and path != home and path.is_relative_to(home)
    return f"~/{path.relative_to(home)}" if is_at_home else str(path)


def _default_backbone(entry: Entry) -> str:
    return DEFAULT_SEQ2SEQ_BACKBONE if entry.backbone_kind == "seq2seq" else DEFAULT_BACKBONE


def _chosen_sources(entry: Entry, request: RunRequest, data_dir: Path | None) -> tuple[str, ...]:
    if not entry.needs_sources:
        return ()
    dataset = request.dataset
    chosen = request.sources or sources_of(dataset, data_dir)
    if not chosen:
        # a misspelled name has no card either, and this error is raised before the one for an unknown dataset
        near = [] if dataset in dataset_names(data_dir) else near_names(dataset, dataset_names(data_dir))
        hint = f" Did you mean the dataset {' or '.join(near)}?" if near else ""
        raise BenchError(
            f"Method '{entry.name}' needs source datasets, and the card of '{dataset}' lists none: give "
            f"--source-datasets A,B.{hint} See 'bench list datasets'."
        )
    if dataset in chosen:
        raise BenchError(f"'{dataset}' is the target and cannot also be a source: remove it from --source-datasets.")
    if len(set(chosen)) < len(chosen):
        raise BenchError(f"--source-datasets contains a dataset twice: {', '.join(chosen)}.")
    return tuple(sorted(chosen))
