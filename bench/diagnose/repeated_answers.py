"""Store the results of scoring a run again with its record, for reports."""

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
"""What was varied between the repetitions."""


@dataclass(frozen=True)
class AskedAgain:
    """Results of scoring a stored run again."""

    over: Over
    metric: str
    n_queries: int
    """Number of queries in the sample that was scored."""
    stability: Stability


def keep(record: RunRecord, asked: AskedAgain, store: RunStore) -> None:
    """Store a result, replacing an earlier one for the same variation."""
    with store.changing(record.id):
        others = [one for one in kept(record, store) if one.over != asked.over]
        answers = sorted([*others, asked], key=lambda one: one.over)
        write_json(_path(record, store), {"of": record.created, "asked": [asdict(one) for one in answers]})


def kept(record: RunRecord, store: RunStore) -> tuple[AskedAgain, ...]:
    """Return the stored results of a run; those of an earlier run with the same id, since repeated, are ignored.

    Raises:
        BenchError: the file is not readable.
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
