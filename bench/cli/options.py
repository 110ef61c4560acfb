"""Options that several subcommands share."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.cli.completion import Completer, complete_datasets, complete_methods, complete_params
from bench.cli.paths import DirectoryPath
from bench.errors import BenchError, did_you_mean, unknown_name
from bench.experiments.scale import DEFAULT_SCALE, SCALES
from bench.files.folders import CACHE_VARIABLE, DATA_VARIABLE, RESULTS_VARIABLE, USUAL_RESULTS, usual_cache
from bench.runs.params import parse_assignments
from bench.runs.request import PARAMS, RequestOption, RunRequest, request_options

if TYPE_CHECKING:
    from pathlib import Path

    from bench.experiments.experiment import Experiment
    from bench.files.folders import Folders
    from bench.runs.record import RunRecord

COMPLETERS: Mapping[str, Completer] = MappingProxyType(
    {"method": complete_methods, "dataset": complete_datasets, "sources": complete_datasets, PARAMS: complete_params}
)
"""How the values of a run request's options are completed."""
Command = TypeVar("Command", bound=Callable[..., Any])


class NearChoice(click.Choice):  # type: ignore[type-arg]  # not generic before click 8.2
    """A choice whose error message suggests similar names."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the chosen name; for an unknown one, click's error message ends with similar names."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(error.message + did_you_mean(value, self.choices), ctx, param) from None


class NearGroup(click.Group):
    """A group whose error message for an unknown subcommand suggests similar names."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; raise BenchError with similar names if there is none."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown_name(
                f"subcommand of '{ctx.command_path}'", args[0], self.commands, f"{ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)


class AliasedOption(click.Option):
    """An option with further names that its help and error messages do not show."""

    def __init__(self, *names: Any, aliases: tuple[str, ...] = (), **facts: Any) -> None:
        super().__init__(*names, **facts)
        self.aliases = aliases

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser accept the further names as well."""
        shown, self.opts = self.opts, [*self.opts, *self.aliases]
        super().add_to_parser(parser, ctx)
        self.opts = shown


def data_dir_option(command: Command) -> Command:
    """Add ``--data-dir``, passed as ``data_dir: Path | None``."""
    return click.option(
        "--data-dir",
        envvar=DATA_VARIABLE,
        show_envvar=True,
        type=DirectoryPath(),
        help="Directory with one subdirectory of source data per dataset.",
    )(command)


def require_data_dir(data_dir: Path | None) -> None:
    """Raise BenchError if a data directory is given but does not exist, even if the data is not needed."""
    if data_dir is not None and not data_dir.is_dir():
        raise BenchError(f"The data directory {data_dir} does not exist: change --data-dir or BENCH_DATA.")


def cache_dir_option(command: Command) -> Command:
    """Add ``--cache-dir``, passed as ``cache_dir: Path``."""
    return click.option(
        "--cache-dir",
        envvar=CACHE_VARIABLE,
        show_envvar=True,
        type=DirectoryPath(),
        default=usual_cache,
        show_default="the platform's cache directory",
        help="Directory for downloads, prepared data, models and adapters.",
    )(command)


def results_dir_option(command: Command) -> Command:
    """Add ``--results-dir``, passed as ``results_dir: Path``."""
    return click.option(
        "--results-dir",
        envvar=RESULTS_VARIABLE,
        show_envvar=True,
        type=DirectoryPath(),
        default=USUAL_RESULTS,
        show_default="./results",
        help="Directory for runs and tables.",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``, passed as ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def scale_option(command: Command) -> Command:
    """Add ``--scale``, passed as ``scale: str``."""
    return click.option(
        "--scale",
        type=NearChoice(tuple(SCALES)),
        default=DEFAULT_SCALE.name,
        show_default=True,
        help="Size of the experiment. smoke: quick end-to-end check; cpu: as defined in the file; full: with the "
        "papers' models, for a GPU.",
    )(command)


def run_request_options(
    instead_of: str = "", optional: tuple[str, ...] = ("method", "dataset")
) -> Callable[[Command], Command]:
    """Add an option for each field of a run request, passed together as ``request: RunRequest``.

    Args:
        instead_of: An argument or option that method and dataset replace; they are then optional, and empty in the
            request if not given. By default both are required.
        optional: Which of the two it replaces.
    """

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def with_request(*arguments: Any, **values: Any) -> Any:
            fields = {option.name: values.pop(option.name) for option in request_options()}
            return command(*arguments, request=RunRequest(**fields), **values)

        for option in reversed(request_options()):
            with_request = _click_option(option, instead_of if option.name in optional else "")(with_request)
        return with_request  # type: ignore[return-value]

    return add


def some_request_options(*names: str) -> Callable[[Command], Command]:
    """Add the options of a run request with these names, each passed as a separate argument."""

    def add(command: Command) -> Command:
        for option in reversed(request_options()):
            if option.name in names:
                command = _click_option(option)(command)
        return command

    return add


def _click_option(option: RequestOption, instead_of: str = "") -> Callable[[Command], Command]:
    """Return the command-line option for a field of a run request; its value is the field's value."""
    facts: dict[str, Any] = {"help": option.help, "cls": AliasedOption, "aliases": option.aliases}
    facts["shell_complete"] = COMPLETERS.get(option.name)
    if option.name == PARAMS:
        facts.update(multiple=True, metavar="KEY=VALUE", callback=lambda _, __, words: parse_assignments(words))
    elif option.is_required:
        optional = {"default": "", "help": f"Instead of {instead_of}: {option.help[0].lower()}{option.help[1:]}"}
        facts.update(optional if instead_of else {"required": True})
    elif option.kind is bool:
        facts.update(is_flag=True)
    elif typing.get_origin(option.kind) is tuple:
        facts.update(multiple=True, callback=lambda _, __, words: comma_separated(",".join(words)))
    else:
        facts.update(type=_click_type(option), default=option.default, show_default=option.default is not None)
    return click.option(option.flag, option.name, **facts)


def _click_type(option: RequestOption) -> Any:
    if option.choices:
        return NearChoice(option.choices)
    above, minimum, maximum = (option.facts[limit] for limit in ("above", "minimum", "maximum"))
    if above is None and minimum is None and maximum is None:
        return option.kind
    lowest = minimum if above is None else above
    ranged = click.IntRange if option.kind is int else click.FloatRange
    return ranged(lowest, maximum, min_open=above is not None)


def comma_separated(text: str) -> tuple[str, ...]:
    """Return the words of ``a,b, c``."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def say_of_data(records: Iterable[RunRecord], folders: Folders) -> None:
    """Report on stderr which datasets of stored runs could not be checked, and which have changed since."""
    from bench.runs.data_check import data_notes

    for note in data_notes(records, folders):
        click.echo(note, err=True)


def say_of_external(experiment: Experiment) -> None:
    """Report on stderr which rows of an experiment cannot be run, because another program computes their scores."""
    from bench.experiments.complete import external_rows

    rows = external_rows(experiment)
    if rows:
        click.echo(f"not run but imported with 'bench import-scores': {', '.join(rows)}", err=True)
