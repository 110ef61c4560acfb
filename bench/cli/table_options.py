"""The options of ``bench table`` and ``bench reproduce`` that change what a table shows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from bench.cli.options import NearChoice, comma_separated
from bench.errors import BenchError
from bench.report.tables.options import (
    ALIGNMENTS,
    IMPROVEMENT_PLACES,
    MOST_DECIMALS,
    NOTES_LEVELS,
    TableOptions,
    flag_of,
)
from bench.runs.params import field_docstrings
from bench.significance.tests import STAR_STYLES

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "caption": {"metavar": "TEXT"},
    "label": {"metavar": "LABEL"},
    "notes": {"type": NearChoice(NOTES_LEVELS), "show_default": True},
    "align": {"type": NearChoice(ALIGNMENTS), "show_default": True},
    "percent": {"is_flag": True},
    "precision": {"type": click.IntRange(0, MOST_DECIMALS), "metavar": "N"},
    "columns": {"multiple": True, "metavar": "NAMES"},
    "ours": {"multiple": True, "metavar": "ROW"},
    "marks": {"type": NearChoice(STAR_STYLES)},
    "improvement": {"type": NearChoice(IMPROVEMENT_PLACES)},
    "mean_rank": {"is_flag": True},
}
"""Fields of :class:`TableOptions` with how click reads them."""
FORMATS_OF: Mapping[str, tuple[str, ...]] = {
    "align": ("latex",),
    "label": ("latex", "html"),
    "notes": ("text", "markdown", "latex", "html"),
    "caption": ("text", "markdown", "latex", "html", "json"),
    "precision": ("text", "markdown", "latex", "html", "json"),
}
"""Options that have no effect in other formats."""
BESIDE = ("percent", "columns")
"""Options that also apply to plots and to the comparison with published results."""


def table_options(command: Command) -> Command:
    """Add the options of a table, passed together as ``options: TableOptions``."""

    @functools.wraps(command)
    def with_options(*arguments: Any, **values: Any) -> Any:
        given = {name: values.pop(name) for name in OPTIONS}
        given["columns"] = comma_separated(",".join(given["columns"]))
        return command(*arguments, options=TableOptions.of(given), **values)

    helps = field_docstrings(TableOptions)
    for name, facts in reversed(list(OPTIONS.items())):
        flag = "--percent/--no-percent" if name == "percent" else flag_of(name)
        default = () if facts.get("multiple") else getattr(TableOptions, name)
        with_options = click.option(flag, name, default=default, help=helps[name], **facts)(with_options)
    return with_options  # type: ignore[return-value]


def check_format(options: TableOptions, output_format: str) -> None:
    """Raise BenchError for an option that has no effect in a format."""
    for name in options.given:
        formats = FORMATS_OF.get(name, (output_format,))
        if output_format not in formats:
            raise BenchError(
                f"{flag_of(name)} has no effect in --format {output_format}: remove it, or use --format "
                f"{' or '.join(formats)}."
            )


def check_output(options: TableOptions, output: str) -> None:
    """Raise BenchError for an option that has no effect in another output than the table, such as ``--figure``."""
    wrong = [flag_of(name) for name in options.given if output == "--audit" or name not in BESIDE]
    if wrong:
        raise BenchError(f"{' and '.join(wrong)} has no effect with {output}: remove it.")
