"""Run requests, from whose fields command-line options, shell commands and descriptions are derived."""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.plugin.ranges import allows, described
from bench.runs.params import field_docstrings
from bench.spec import (
    EXTERNAL,
    MOST_NEGATIVES,
    N_NEGATIVES,
    ColdPolicy,
    ProtocolSpec,
    RunOptions,
    RunSpec,
    Setting,
    option,
)

if TYPE_CHECKING:
    from bench.plugin import Entry

PARAMS = "params"


@dataclass(frozen=True)
class RunRequest(RunOptions):
    """A requested run; :func:`bench.runs.complete.complete` turns it into a spec.

    The text under a field is also its help on the command line; see :func:`bench.spec.option` for other metadata.
    """

    method: str
    """Name from 'bench list methods', or recbole:<Class>."""
    dataset: str
    """Name from 'bench list datasets', or the directory name of your own dataset."""
    setting: Setting = "warm"
    """How the data is split. warm: leave-one-out; cold: leave-one-out on items without training data; user-split:
    users 3:1:1, with popularity-sampled negatives."""
    policy: ColdPolicy = option("holdout", flag="--cold-policy", words="{}", circumstance=True, within="cold")
    """How cold items are chosen."""
    protocol_seed: int = option(0, flag="--split-seed", words="split seed {}", circumstance=True)
    """Seed for held-out items, user splits and candidate lists. Runs with different split seeds are not comparable."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Hyperparameter; repeatable."""
    n_negatives: int = option(N_NEGATIVES, words="{} negatives", circumstance=True, minimum=1, maximum=MOST_NEGATIVES)
    """Number of negatives per query. Runs with different numbers are not comparable."""

    @classmethod
    def of(cls, spec: RunSpec, params: Mapping[str, Any]) -> RunRequest:
        """Return the request for a completed spec; ``params`` are the parameters to include."""
        protocol = spec.protocol
        place = protocol.dataset, protocol.setting, protocol.policy, protocol.seed
        return cls(spec.method, *place, params, n_negatives=protocol.n_negatives, **spec.options())

    @property
    def protocol(self) -> ProtocolSpec:
        """The protocol of the run."""
        return ProtocolSpec(self.dataset, self.setting, self.policy, self.protocol_seed, self.n_negatives)

    def used_by(self, entry: Entry) -> RunRequest:
        """Return the request without options its method does not use, such as a table's backbone."""
        unused = {one.name: one.default for one in request_options() if not one.is_used_by(entry)}
        return dataclasses.replace(self, **unused)

    @property
    def is_external(self) -> bool:
        """Whether another program computes the scores."""
        return self.method.startswith(EXTERNAL)

    def command(self) -> str:
        """Return the shell command for the run, without options at their defaults."""
        if self.is_external:
            return self._import_command()
        arguments = [one.arguments(self) for one in request_options() if one.is_place or one.is_named_in(self)]
        return shlex.join(["bench", "run", *(word for words in arguments for word in words)])

    def _import_command(self) -> str:
        """Return the shell command that imports the scores."""
        named = dataclasses.replace(self, method=self.method.removeprefix(EXTERNAL))
        used = ("method", "dataset", "setting", "policy", "protocol_seed", "seed", PARAMS)
        options = [one for one in request_options() if one.name in used and (one.is_place or one.is_named_in(self))]
        arguments = [word for one in options for word in one.arguments(named)]
        return shlex.join(["bench", "import-scores", "FILE", *arguments])

    def words(self, of_row: bool = False) -> list[str]:
        """Return short descriptions of the options that differ from the method's default run.

        ``of_row`` leaves out circumstances such as seeds, which distinguish runs but not the rows of a table.
        """
        named = [one for one in request_options() if one.words and one.is_named_in(self)]
        parts = [f"{name}={value}" for name, value in sorted(self.params.items())]
        parts += [one.said_of(self) for one in named if not one.is_circumstance]
        return parts if of_row else parts + [one.said_of(self) for one in named if one.is_circumstance]


@dataclass(frozen=True)
class RequestOption:
    """A field of :class:`RunRequest` with its type, default, help and metadata."""

    name: str
    hint: Any
    """Its type."""
    default: Any
    """``dataclasses.MISSING`` if the field is required."""
    help: str
    facts: Mapping[str, Any]
    """The arguments of :func:`bench.spec.option`; empty for method, dataset, setting and parameters."""

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return "-p" if self.name == PARAMS else str(self.facts.get("flag") or self._field_flag)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Further names on the command line, which its help does not show."""
        others = ("--model",) if self.name == "method" else (self._field_flag,)
        return () if self.flag in others or self.name == PARAMS else others

    @property
    def _field_flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def is_required(self) -> bool:
        """Whether every request must name it."""
        return self.default is dataclasses.MISSING

    @property
    def kind(self) -> Any:
        """Its type without None: ``str``, ``int``, ``float``, ``bool``, or an alias such as ``tuple[str, ...]``."""
        inner = [one for one in typing.get_args(self.hint) if one is not type(None)]
        return inner[0] if type(None) in typing.get_args(self.hint) else self.hint

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values; empty if any value of the type, or of the range, is allowed."""
        return typing.get_args(self.kind) if typing.get_origin(self.kind) is typing.Literal else ()

    @property
    def is_place(self) -> bool:
        """Whether a shell command always names it."""
        return not self.facts

    @property
    def words(self) -> str:
        """What reports print for it, a format string for the value."""
        return str(self.facts.get("words", ""))

    @property
    def is_circumstance(self) -> bool:
        """Whether it distinguishes runs but not the rows of a table."""
        return bool(self.facts.get("circumstance"))

    @property
    def range(self) -> str:
        """The allowed range in words."""
        return described(self.facts)

    def allows(self, value: Any) -> bool:
        """Whether a value is in range."""
        return allows(self.facts, value)

    def is_used_by(self, entry: Entry) -> bool:
        """Whether a method uses it."""
        needs = self.facts.get("needs")
        return not needs or bool(getattr(entry, needs))

    def is_given_in(self, request: RunOptions) -> bool:
        """Whether a request gives a value other than the default, even an equivalent one."""
        return bool(getattr(request, self.name) != self.default)

    def is_named_in(self, request: RunRequest) -> bool:
        """Whether a request changes it from the default in a setting where it has an effect."""
        counts = self.facts.get("within") in ("", request.setting)
        return counts and self.value_in(request) != self.default

    def value_in(self, options: RunOptions) -> Any:
        """Return its value in a request or a spec; the choice equivalent to None is returned as None."""
        value = getattr(options, self.name)
        return None if value in self.facts.get("unset", ()) else value

    def said_of(self, request: RunRequest) -> str:
        """Return the description of a request's value."""
        value = getattr(request, self.name)
        return self.words.format("+".join(value) if isinstance(value, tuple) else value)

    def arguments(self, request: RunRequest) -> list[str]:
        """Return its arguments in a shell command."""
        value = getattr(request, self.name)
        if self.name == PARAMS:
            return [word for name, one in value.items() for word in (self.flag, f"{name}={_text(one)}")]
        if value is True:
            return [self.flag]
        return [self.flag, ",".join(value) if isinstance(value, tuple) else str(value)]


@cache
def request_options() -> tuple[RequestOption, ...]:
    """Return the fields of a request in the order of help, commands and descriptions; parameters come last."""
    texts, hints = field_docstrings(RunRequest), typing.get_type_hints(RunRequest)
    inherited = {item.name for item in dataclasses.fields(RunOptions)}
    ordered = sorted(dataclasses.fields(RunRequest), key=lambda item: (item.name == PARAMS, item.name in inherited))
    return tuple(
        RequestOption(item.name, hints[item.name], _default(item), texts.get(item.name, ""), item.metadata)
        for item in ordered
    )


@cache
def run_options() -> tuple[RequestOption, ...]:
    """Return the fields that requests and specs share."""
    names = {item.name for item in dataclasses.fields(RunOptions)}
    return tuple(one for one in request_options() if one.name in names)


def _default(item: dataclasses.Field[Any]) -> Any:
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


def _text(value: Any) -> str:
    """Return a parameter's value as written on a command line."""
    if isinstance(value, str):
        return value
    return "none" if value is None else json.dumps(value)
