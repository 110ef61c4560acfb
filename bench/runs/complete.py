"""From a wish to a spec: what a method needs is filled in, what it cannot use is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bench.data.card import has_card, list_cards, load_card
from bench.errors import BenchError, near_names
from bench.registry import Entry, registry
from bench.runs.params import build_params
from bench.spec import (
    DEFAULT_BACKBONE,
    DEFAULT_ENGINE,
    DEFAULT_RANKING,
    DEFAULT_SEQ2SEQ_BACKBONE,
    Engine,
    ProtocolSpec,
    Ranking,
    RunSpec,
)


def complete_spec(
    method: str,
    protocol: ProtocolSpec,
    *,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    sources: tuple[str, ...] = (),
    backbone: str | None = None,
    ranking: Ranking | None = None,
    engine: Engine | None = None,
    limit_queries: int | None = None,
    train_share: float = 1.0,
    train_users: int | None = None,
    train_subset: int = 0,
    full_ranking: bool = False,
    limit_validation: int | None = None,
) -> RunSpec:
    """Fill in what a method needs and refuse what it cannot use.

    Raises:
        BenchError: unknown method or parameter, a setting the method lacks, sources or a backbone it does not use,
            full ranking by a method that ranks lists alone.
    """
    entry, recommender = registry().entry(method), registry().recommender(method)
    if protocol.setting not in entry.settings:
        offered = ", ".join(entry.settings)
        raise BenchError(f"Method '{method}' has no {protocol.setting} setting; it runs in: {offered}.")
    for what, given, used in (
        ("source domains", sources, entry.needs_sources),
        ("backbone", backbone, entry.needs_backbone),
        ("ranking", ranking, entry.needs_backbone),
    ):
        if given and not used:
            raise BenchError(f"Method '{method}' uses no {what}. See 'bench describe {method}'.")
    if full_ranking and not entry.ranks_catalogue:
        able = ", ".join(sorted(name for name, other in registry().entries.items() if other.ranks_catalogue))
        raise BenchError(
            f"Method '{method}' ranks lists of candidates and cannot rank the whole catalogue: leave --full-ranking "
            f"out. These can: {able}."
        )
    if not 0 < train_share <= 1:
        raise BenchError(f"--train-share must be above 0 and at most 1, not {train_share}.")
    _check_users(train_share, train_users, train_subset)
    chosen_backbone = (backbone or _default_backbone(entry)) if entry.needs_backbone else None
    _check_ranking(entry, method, chosen_backbone, ranking, engine)
    built = build_params(method, recommender.Params, params or {})
    return RunSpec(
        method=method,
        protocol=protocol,
        params=dataclasses.asdict(built),
        seed=seed,
        sources=_chosen_sources(entry, protocol.dataset, sources),
        backbone=chosen_backbone,
        ranking=None if ranking == DEFAULT_RANKING else ranking,  # one name for one run
        engine=None if engine == DEFAULT_ENGINE else engine,
        limit_queries=limit_queries,
        train_share=train_share,
        train_users=train_users,
        train_subset=train_subset,
        full_ranking=full_ranking,
        limit_validation=limit_validation,
    )


def _check_users(train_share: float, train_users: int | None, train_subset: int) -> None:
    """Refuse a number of users that is none, that comes beside a share, or a subset of all."""
    if train_users is None:
        if train_subset:
            raise BenchError("--train-subset says which users --train-users draws; add that or leave it out.")
    elif train_users < 1 or train_subset < 0:
        raise BenchError(
            f"--train-users is 1 or more and --train-subset 0 or more, not {train_users} and {train_subset}."
        )
    elif train_share < 1:
        raise BenchError("--train-users and --train-share both say how much is learned from; give one of them.")


def _check_ranking(
    entry: Entry, method: str, backbone: str | None, ranking: Ranking | None, engine: Engine | None
) -> None:
    """Refuse lists of a method or backbone that writes none, and an engine that has none to write."""
    if ranking != "generate":
        if engine is not None:
            raise BenchError("--engine says what writes the lists of --ranking generate; add that or leave it out.")
        return
    if not entry.writes_lists:
        raise BenchError(
            f"Method '{method}' ranks by scores and writes no lists: leave --ranking generate out. "
            f"See 'bench describe {method}'."
        )
    if backbone == DEFAULT_BACKBONE:
        from bench.lm.backbones import writes_no_lists

        raise writes_no_lists(backbone)


def _default_backbone(entry: Entry) -> str:
    return DEFAULT_SEQ2SEQ_BACKBONE if entry.backbone_kind == "seq2seq" else DEFAULT_BACKBONE


def _chosen_sources(entry: Entry, dataset: str, given: tuple[str, ...]) -> tuple[str, ...]:
    if not entry.needs_sources:
        return ()
    chosen = given or (load_card(dataset).sources if has_card(dataset) else ())
    if not chosen:
        # a misspelt name has no card either, and the dataset's own error would come only after this one
        near = [] if has_card(dataset) else near_names(dataset, [card.name for card in list_cards()])
        hint = f" Or did you mean the dataset {' or '.join(near)}?" if near else ""
        raise BenchError(
            f"Method '{entry.name}' learns from source domains and '{dataset}' names none: give --sources a,b.{hint} "
            f"See 'bench list datasets'."
        )
    if dataset in chosen:
        raise BenchError(f"'{dataset}' is the target and cannot be a source as well; leave it out of --sources.")
    if len(set(chosen)) < len(chosen):
        raise BenchError(f"--sources names a domain twice: {', '.join(chosen)}.")
    return tuple(sorted(chosen))
