"""Find stored runs by name: the prefix of an id, or ``method[@dataset[@setting[@full][@seedN]]]``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, did_you_mean

if TYPE_CHECKING:
    from bench.runs.heads import RunHead

SHORTEST_ID = 4
"""Minimum length of the prefix of an id."""
MOST_CHOICES = 20
"""Runs that the error for an ambiguous name lists."""


def find_one(heads: Iterable[RunHead], name: str, results_dir: Path) -> RunHead:
    """Return the run with a name; raise BenchError if there is none, or several, which are listed newest first."""
    known = list(heads)
    found = _named(known, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise BenchError(
            f"'{name}' matches {len(found):,} runs: give the prefix of one id. See 'bench list runs'.",
            choices=choices_of(found),
        )
    hint = did_you_mean(name, {head.token for head in known} | {head.id for head in known})
    expected = f"the prefix of an id ({SHORTEST_ID} or more characters) or method[@dataset[@setting[@full][@seedN]]]"
    raise BenchError(f"No run '{name}' in {results_dir}; expected {expected}.{hint} See 'bench list runs'.")


def find_all_seeds(heads: Iterable[RunHead], name: str, results_dir: Path) -> list[RunHead]:
    """Return the run with a name, or all runs with it if they only differ in their seeds, ordered by seed."""
    known = list(heads)
    found = _named(known, name)
    systems = {dataclasses.replace(head.spec, seed=0).hash() for head in found}
    if len(systems) == 1:
        return sorted(found, key=lambda head: head.spec.seed)
    return [find_one(known, name, results_dir)]


def newest_first(heads: Iterable[RunHead]) -> list[RunHead]:
    """Return runs ordered by the time at which they were stored, the newest first."""
    return sorted(heads, key=lambda head: (head.created, head.id), reverse=True)


def choices_of(found: Sequence[RunHead]) -> str:
    """Return a small table of runs, newest first."""
    from tabulate import tabulate

    rows = [
        [head.id, head.token, head.variant or "defaults", shown_time(head.created)]
        for head in newest_first(found)[:MOST_CHOICES]
    ]
    table = tabulate(rows, headers=["id", "run", "variant", "stored (UTC)"], tablefmt="plain", disable_numparse=True)
    left_out = len(found) - len(rows)
    return f"{table}\n… and {left_out:,} older ones" if left_out else table


def shown_time(created: str) -> str:
    """Return an ISO 8601 time to the minute, without its zone."""
    return created[:16].replace("T", " ")


def _named(heads: Iterable[RunHead], name: str) -> list[RunHead]:
    """Return the runs with a name in any case, or whose names begin with its method, or its method and dataset."""
    known, wanted = list(heads), name.lower()
    by_id = [head for head in known if len(wanted) >= SHORTEST_ID and head.id.startswith(wanted)]
    if by_id:
        return by_id
    tokens = {head.id: head.token for head in known}
    exact = [head for head in known if name in _names_of(tokens[head.id])]
    in_any_case = [head for head in known if wanted in _names_of(tokens[head.id].lower())]
    start = wanted.split("@")
    # more parts are a name of their own: bpr@beauty@warm is not the start of bpr@beauty@warm@full
    is_start = len(start) <= len(("method", "dataset"))
    begun = [head for head in known if is_start and tokens[head.id].lower().split("@")[: len(start)] == start]
    return exact or in_any_case or begun


def _names_of(token: str) -> tuple[str, str]:
    """Return the name of a run with and without its seed."""
    return token, token.rpartition("@")[0]
