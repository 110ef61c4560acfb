"""Registry entries: the properties of a recommender, known before its module is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.files.extras import EXTRAS, require
from bench.spec import SETTINGS

Family = Literal["control", "general", "sequential", "transferable", "language-model", "merging", "integrating"]
DISPLAYED_FAMILIES: dict[str, str] = {
    "general": "collaborative",
    "merging": "adapter-merging",
    "integrating": "adapter-integration",
}
"""Names shown instead of a family's id in lists and reports."""
RunsOn = Literal["none", "encoder", "decoder", "seq2seq", "text-encoder"]
"""The kind of language model a method uses: none; an ``encoder`` that it fine-tunes; a ``decoder`` that it fine-tunes
or prompts, and that a smaller model or an encoder may replace; an encoder-decoder (``seq2seq``); or a ``text-encoder``
for titles, which is part of the method's own model and is the same at every scale."""


@dataclass(frozen=True)
class Entry:
    """The registry entry of a recommender: its properties, known before its module is imported."""

    name: str
    """Name on the command line."""
    family: Family
    """Id of the group in lists and tables; see :func:`displayed_family` for the name shown."""
    target: str = ""
    """Import path of the class, ``module:Class``."""
    title: str = ""
    """Name in reports, such as ``SASRec``; empty if it is the name on the command line."""
    paper: str = ""
    """Short citation; a report links an ``arXiv`` number or a ``doi`` in it."""
    needs_titles: bool = False
    """Whether it uses item titles."""
    needs_sources: bool = False
    """Whether it trains on source datasets."""
    runs_on: RunsOn = "none"
    """The kind of language model it uses."""
    writes_lists: bool = False
    """Whether it supports generated lists (``--scoring generate``) as well as scoring by likelihood."""
    settings: tuple[str, ...] = SETTINGS
    """Supported protocol settings; a method that learns a vector per user does not support ``user-split``."""
    cold_rule: str = ""
    """How it scores items without training data."""
    wraps: bool = False
    """Whether the name takes a suffix, as in ``recbole:<Class>``."""
    transductive: bool = False
    """Whether it uses the unlabeled test queries during training."""
    privileged: bool = False
    """Whether the engine gives it the answers; only allowed for controls."""
    ranks_catalogue: bool = False
    """Whether an item's score does not depend on the other candidates and all items can be scored quickly, so that
    full ranking is supported; see :meth:`Recommender.score`."""
    extras: tuple[str, ...] = ()
    """Extras of this package that must be installed for it, besides ``lm`` if it uses a language model."""

    def __post_init__(self) -> None:
        if self.privileged and self.family != "control":
            raise ValueError(f"'{self.name}' is not a control and may not be privileged")
        unknown = [extra for extra in self.extras if extra not in EXTRAS]
        if unknown:
            raise ValueError(f"'{self.name}' names unknown extras: {unknown}; expected some of {[*EXTRAS]}")

    def displayed_name(self, name: str = "") -> str:
        """Return the name in reports; ``name`` is the whole name of a wrapped method, ``recbole:<Class>``."""
        wrapped = name.partition(":")[2]
        return f"{self.title or self.name} {wrapped}".strip() if wrapped else self.title or name or self.name

    @property
    def needs_backbone(self) -> bool:
        """Whether it uses a language model."""
        return self.runs_on != "none"

    @property
    def needed_extras(self) -> tuple[str, ...]:
        """All extras that must be installed for it."""
        return tuple(dict.fromkeys((*(("lm",) if self.needs_backbone else ()), *self.extras)))

    def require_installed(self) -> None:
        """Raise BenchError that names the missing extras, if any."""
        require(f"Method '{self.name}'", *self.needed_extras)

    @property
    def backbone_kind(self) -> Literal["encoder", "seq2seq"] | None:
        """The kind of language model it requires; None if it accepts more than one kind."""
        return self.runs_on if self.runs_on in ("encoder", "seq2seq") else None


def displayed_family(family: str) -> str:
    """Return the name shown for a family; its id, and anything that is not a family, is returned unchanged."""
    return DISPLAYED_FAMILIES.get(family, family)
