"""What is known of a recommender before its module is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.files.extras import EXTRAS, require
from bench.spec import SETTINGS

Family = Literal["control", "general", "sequential", "transferable", "language-model", "merging", "integrating"]
RunsOn = Literal["none", "encoder", "decoder", "seq2seq", "text-encoder"]
"""The language model of a method: none; an ``encoder`` that it adapts; a ``decoder`` that it adapts or asks, for which
a smaller model or an encoder may stand in; an encoder-decoder; or a ``text-encoder`` for titles, part of a model of the
method's own, which stays the same at every scale."""


@dataclass(frozen=True)
class Entry:
    """What is known of a recommender before its module is imported."""

    name: str
    """Name on the command line."""
    family: Family
    """Group in lists and tables."""
    target: str = ""
    """Where the class lives, ``module:Class``."""
    paper: str = ""
    """Short citation."""
    needs_titles: bool = False
    """Whether it reads item titles."""
    needs_sources: bool = False
    """Whether it learns from source domains."""
    runs_on: RunsOn = "none"
    """The language model it runs on."""
    writes_lists: bool = False
    """Whether a decoder may rank for it by the list it writes (``--ranking generate``) as well as by likelihood."""
    settings: tuple[str, ...] = SETTINGS
    """The protocol settings it can run in; a method that learns a vector for each user has no user-split setting."""
    cold_rule: str = ""
    """How it scores an item that was never trained."""
    wraps: bool = False
    """Whether the name takes a suffix, as in ``recbole:<Class>``."""
    transductive: bool = False
    """Whether it adapts to the test queries (without answers) before it scores them."""
    privileged: bool = False
    """Whether the engine hands it the answers; allowed to controls alone."""
    ranks_catalogue: bool = False
    """Whether an item's score is the same in every list, and quickly had for all items, so that full ranking can ask
    for the whole catalogue; see :meth:`Recommender.score`."""
    extras: tuple[str, ...] = ()
    """Extras of this package that must be installed for it, besides ``lm`` where it runs on a language model."""

    def __post_init__(self) -> None:
        if self.privileged and self.family != "control":
            raise ValueError(f"'{self.name}' is not a control and may not be privileged")
        unknown = [extra for extra in self.extras if extra not in EXTRAS]
        if unknown:
            raise ValueError(f"'{self.name}' names unknown extras: {unknown}; expected some of {[*EXTRAS]}")

    @property
    def needs_backbone(self) -> bool:
        """Whether it runs on a language model."""
        return self.runs_on != "none"

    @property
    def needed_extras(self) -> tuple[str, ...]:
        """All extras that must be installed for it."""
        return tuple(dict.fromkeys((*(("lm",) if self.needs_backbone else ()), *self.extras)))

    def require_installed(self) -> None:
        """Raise BenchError that names the extras that are missing, where any is."""
        require(f"Method '{self.name}'", *self.needed_extras)

    @property
    def backbone_kind(self) -> Literal["encoder", "seq2seq"] | None:
        """The one kind of language model it can be given; None where its name says of what kind it is."""
        return self.runs_on if self.runs_on in ("encoder", "seq2seq") else None
