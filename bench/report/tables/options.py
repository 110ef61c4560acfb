"""Options of a table that change what it shows, not what was measured."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bench.errors import BenchError, did_you_mean
from bench.significance.tests import STAR_STYLES, StarStyle

NotesLevel = Literal["none", "short", "full"]
Alignment = Literal["rlap", "siunitx"]
ImprovementPlace = Literal["row", "column", "both"]

NOTES_LEVELS: tuple[NotesLevel, ...] = get_args(NotesLevel)
ALIGNMENTS: tuple[Alignment, ...] = get_args(Alignment)
IMPROVEMENT_PLACES: tuple[ImprovementPlace, ...] = get_args(ImprovementPlace)
MOST_DECIMALS = 8
CHOICES: Mapping[str, tuple[str, ...]] = {
    "notes": NOTES_LEVELS,
    "align": ALIGNMENTS,
    "marks": STAR_STYLES,
    "improvement": IMPROVEMENT_PLACES,
}
LABEL = re.compile(r"[\w:.+/-]+")
"""Labels that LaTeX and HTML read as they are."""


@dataclass(frozen=True)
class TableOptions:
    """How a table is shown. The text under a field is also its help on the command line."""

    caption: str = ""
    """Replaces the title, the first part of the caption; --notes controls the rest."""
    label: str = ""
    r"""Replaces the label tab:NAME (LaTeX), or the id (HTML)."""
    notes: NotesLevel = "full"
    """Explanations to print. full: all; short: only what the symbols mean; none: the title alone. In LaTeX, Markdown
    and HTML, the others (hashes, departures from papers, warnings) become comments."""
    align: Alignment = "rlap"
    r"""How LaTeX aligns digits next to marks: marks without width (rlap), or columns of the package siunitx."""
    percent: bool | None = None
    """Show scores in percent, or as fractions."""
    precision: int | None = None
    """Number of decimals of scores (default: 4, or 2 in percent); mean ranks and improvements have at most 2."""
    columns: tuple[str, ...] = ()
    """Columns to show, in this order: metrics, datasets, settings, 'sampled' or 'full'; comma-separated. Kinds that
    are not named keep all their columns."""
    ours: tuple[str, ...] = ()
    """Label or method of a row that is ours, compared with the best other row; repeatable."""
    marks: StarStyle | None = None
    """Significance marks. star: the best score against the second; ours: our rows against the best other row; letters:
    each score against all lower ones."""
    improvement: ImprovementPlace | None = None
    """Add the relative improvement in percent: of our best row (or the best row) over the best other row as a last row,
    or over each row, as the mean over all columns, as a last column."""
    mean_rank: bool = False
    """Add a column with each row's mean rank over all columns."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> TableOptions:
        """Return checked options; raise BenchError for an unknown name or value."""
        known = {item.name for item in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise BenchError(f"A table has no option '{name}'.{did_you_mean(name, known)} See help(bench.table).")
        lists = {name: _words(values[name]) for name in ("columns", "ours") if name in values}
        return cls(**{**values, **lists}).checked()

    def checked(self) -> TableOptions:
        """Return these options; raise BenchError for a value that is not allowed."""
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise BenchError(f"{flag_of(name)} must be {' or '.join(allowed)}, not {value!r}.")
        if self.precision is not None and not 0 <= self.precision <= MOST_DECIMALS:
            raise BenchError(f"--precision must be from 0 to {MOST_DECIMALS}, not {self.precision}.")
        if self.label and not LABEL.fullmatch(self.label):
            raise BenchError(
                f"--label {self.label!r} is not a label: expected letters, digits and any of : . + / _ - such as "
                "tab:main."
            )
        return self

    @property
    def given(self) -> tuple[str, ...]:
        """The names of options that differ from their defaults."""
        return tuple(item.name for item in dataclasses.fields(self) if getattr(self, item.name) != item.default)


DEFAULT_OPTIONS = TableOptions()


def flag_of(name: str) -> str:
    """Return the command-line name of an option."""
    return "--" + name.replace("_", "-")


def _words(value: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
