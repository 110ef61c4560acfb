"""What a run answered when it was asked again, kept beside its record so that a report can show it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench.diagnose.stability import Stability
from bench.errors import BenchError
from bench.files.store import read_json, write_json

if TYPE_CHECKING:
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

Over = Literal["candidate order", "paraphrases"]
"""What was changed between the answers."""


@dataclass(frozen=True)
class AskedAgain:
    """A stored run, asked again."""

    over: Over
    metric: str
    n_queries: int
    """Queries of the sample that was asked."""
    stability: Stability


def keep(record: RunRecord, asked: AskedAgain, store: RunStore) -> None:
    """Keep an answer in place of an earlier one over the same change."""
    others = [one for one in kept(record, store) if one.over != asked.over]
    answers = sorted([*others, asked], key=lambda one: one.over)
    write_json(_path(record, store), {"of": record.created, "asked": [asdict(one) for one in answers]})


def kept(record: RunRecord, store: RunStore) -> tuple[AskedAgain, ...]:
    """Return what is kept of a run; nothing of an earlier run of the same id, which was made again since.

    Raises:
        BenchError: the file cannot be read.
    """
    path = _path(record, store)
    try:
        found = read_json(path)
        return tuple(_from_json(one) for one in found["asked"]) if found["of"] == record.created else ()
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise BenchError(
            f"{path} cannot be read ({reason}). Remove it and run 'bench diagnose {record.id} --permutations 5'."
        ) from error


def _path(record: RunRecord, store: RunStore) -> Path:
    return store.path(record.id) / "stability.json"


def _from_json(given: dict[str, Any]) -> AskedAgain:
    if given["over"] not in get_args(Over):
        raise ValueError(f"over is '{given['over']}'")
    found = given["stability"]
    stability = Stability(tuple(map(float, found["values"])), found["flip_rate"])
    return AskedAgain(given["over"], given["metric"], int(given["n_queries"]), stability)
