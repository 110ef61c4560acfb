"""The heads of records: what names and describes a run, read without the rest of its record.

A list of thousands of runs, or the search for one by name, needs nothing else. A head is only believed if the hash of
its spec is the run's id. It contains no metrics: those are computed from ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.runs.request import RunRequest
from bench.spec import ColdPolicy, RunSpec, Setting, spec_from_json


@dataclass(frozen=True, slots=True)
class RunHead:
    """What names and describes a stored run."""

    id: str
    """Hash of the spec."""
    spec: RunSpec
    overrides: dict[str, Any]
    """The parameters that differ from the method's defaults."""
    family: str
    n_queries: int
    created: str
    """ISO 8601 time (UTC)."""
    device: str
    toy: bool

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> RunHead:
        """Read the head of the object of ``run.json``.

        Raises:
            ValueError, LookupError, TypeError, AttributeError: it is not a record.
        """
        facts = {name: fields[name] for name in ("id", "family", "n_queries", "created")}
        rest = (fields.get("overrides", {}), fields.get("device", "cpu"), fields.get("toy", False))
        head = cls(spec=spec_from_json(fields["spec"]), overrides=rest[0], device=rest[1], toy=rest[2], **facts)
        kinds = (str, str, int, str, dict, str, bool)
        if tuple(map(type, (*facts.values(), *rest))) != kinds:
            raise TypeError("a field is of the wrong type")
        return head

    @property
    def token(self) -> str:
        """The run as ``method@dataset@setting[@full]@seedN``."""
        return token_of(self.spec)

    @property
    def variant(self) -> str:
        """How it differs from its method's default run, besides the seed; see :func:`variant_of`."""
        protocol = self.spec.protocol
        options = {**self.spec.options(), "seed": 0}
        others = _option_words(protocol.setting, protocol.policy, protocol.seed, tuple(options.items()))
        return ", ".join([*(f"{name}={value}" for name, value in sorted(self.overrides.items())), *others])


@cache
def _option_words(setting: Setting, policy: ColdPolicy, seed: int, options: tuple[tuple[str, Any], ...]) -> list[str]:
    """Return the descriptions of options; most runs of a store share theirs."""
    return RunRequest("", "", setting, policy, seed, **dict(options)).words()


def token_of(spec: RunSpec) -> str:
    """Return ``method@dataset@setting@seedN``, or ``method@dataset@setting@full@seedN`` in full ranking."""
    protocol = spec.protocol
    return f"{spec.method}@{protocol.dataset}@{protocol.setting}{'@full' * spec.full_ranking}@seed{spec.seed}"


def variant_of(spec: RunSpec, overrides: dict[str, Any], of_row: bool = False) -> str:
    """Return a short description of how a run differs from its method's default run; empty if it does not.

    ``of_row`` leaves out seeds and protocol, which distinguish runs but not the rows of a table.
    """
    return ", ".join(RunRequest.of(spec, overrides).words(of_row))
