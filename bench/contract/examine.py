"""Runs all checks on a registered method, on a toy task prepared by the engine's own protocol."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from bench.contract.checks import CHECKS, NEEDED_BY_ALL, Broken, Doubtful, NotChecked
from bench.contract.subject import Subject
from bench.contract.worlds import SOURCES, TARGET
from bench.errors import BenchError
from bench.registry import registry
from bench.runs.complete import complete
from bench.runs.request import RunRequest
from bench.spec import N_NEGATIVES

if TYPE_CHECKING:
    from bench.plugin import Entry
    from bench.spec import Setting

Status = Literal["ok", "failed", "skipped", "warning"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check."""

    name: str
    """Name of the check."""
    status: Status
    """Whether the contract is kept."""
    detail: str
    """What was found, what is broken or missing, or why the check does not apply."""


def check_method(
    method: str,
    params: Mapping[str, Any] | None = None,
    *,
    backbone: str | None = None,
    n_negatives: int = N_NEGATIVES,
    device: str = "cpu",
) -> Iterator[Outcome]:
    """Yield the outcome of each check of a registered method as soon as it is known.

    Args:
        method: Name of the method.
        params: Hyper-parameters that differ from the defaults.
        backbone: Language model, for methods that use one; None is the default.
        n_negatives: Negatives per query.
        device: Torch device.

    Raises:
        BenchError: the method or a parameter is unknown, the backbone is not available, or the method receives answers.
    """
    entry = registry().entry(method)
    if entry.privileged:
        raise BenchError(f"Method '{method}' receives the answers; the contract only applies to methods that do not.")
    entry.require_installed()
    sources = SOURCES if entry.needs_sources else ()
    options: dict[str, Any] = {"sources": sources, "backbone": backbone, "n_negatives": n_negatives}
    request = RunRequest(method, TARGET, _setting(entry), params=params or {}, **options)
    spec = complete(request)
    with tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
        yield from _outcomes(Subject(spec, Path(folder), device))


def _setting(entry: Entry) -> Setting:
    return "warm" if "warm" in entry.settings else cast("Setting", entry.settings[0])


def _outcomes(subject: Subject) -> Iterator[Outcome]:
    missing: str | None = None
    for name, check in CHECKS.items():
        if missing:
            yield Outcome(name, "skipped", f"the check '{missing}' failed")
            continue
        outcome = _outcome(name, check, subject)
        if outcome.status == "failed" and name in NEEDED_BY_ALL:
            missing = name
        yield outcome


def _outcome(name: str, check: Callable[[Subject], str], subject: Subject) -> Outcome:
    try:
        return Outcome(name, "ok", check(subject))
    except NotChecked as reason:
        return Outcome(name, "skipped", str(reason))
    except Doubtful as warning:
        return Outcome(name, "warning", str(warning))
    except Broken as finding:
        return Outcome(name, "failed", str(finding))
    except BenchError as refusal:
        if name == "fit":  # such as a missing backbone, which the user can fix
            raise
        return Outcome(name, "failed", str(refusal))
    except Exception as error:  # a recommender may fail in any way, and the check reports it
        return Outcome(name, "failed", f"{type(error).__name__}: {error} ({_place(error, subject.entry)})")


def _place(error: Exception, entry: Entry) -> str:
    """Return file and line of the last call in the recommender's own module, or of the last call of all."""
    calls = list(traceback.walk_tb(error.__traceback__))
    own = [call for call in calls if call[0].f_globals.get("__name__") == entry.target.partition(":")[0]]
    frame, line = (own or calls)[-1]
    return f"{Path(frame.f_code.co_filename).name}, line {line}"
