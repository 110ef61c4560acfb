"""Scales: sizes of an experiment, which only differ in data size, number of queries and backbone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bench.plugin import Size

ScaleName = Literal["smoke", "cpu", "full"]


@dataclass(frozen=True)
class Scale:
    """One size of an experiment; fields that are None keep the value in the experiment's file."""

    name: ScaleName
    limit_queries: int | None = None
    """Maximum number of test queries (a random sample)."""
    train_share: float = 1.0
    """Fraction of each row's training data on the target."""
    max_examples: int | None = None
    """Maximum number of training examples per domain and epoch, for methods that draw a sample."""
    validation_queries: int | None = None
    """Maximum number of validation queries (a random sample)."""
    backbone: str | None = None
    """Language model of methods that use a decoder."""
    encoder: str | None = None
    """Language model of methods that need an encoder."""
    says: str = ""
    """Description of the scale in the caption; by default, it is derived from the fields."""

    @property
    def keeps_recipes(self) -> bool:
        """Whether rows with a recipe keep its sizes: with fewer examples, it would not be the papers' recipe."""
        return self.name == "full"

    @property
    def sizes(self) -> dict[Size, float]:
        """The limits that are set by parameters of the methods."""
        sizes: dict[Size, float | None] = {
            "examples": self.max_examples,
            "validation": self.validation_queries,
        }
        return {kind: size for kind, size in sizes.items() if size is not None}

    def sizes_of(self, params: type[Any]) -> dict[str, float]:
        """Return the parameters of a method that this scale limits; see :func:`bench.plugin.shrinks_to`."""
        kinds = {field.name: field.metadata.get("shrinks_to") for field in dataclasses.fields(params)}
        return {name: self.sizes[kind] for name, kind in kinds.items() if kind in self.sizes}

    def sentence(self) -> str:
        """Return the caption's sentence on the scale; empty if there is nothing to say."""
        said = (self.says or self._facts()).rstrip(".")
        return f"Scale {self.name}: {said}." if said else ""

    def _facts(self) -> str:
        queries, rows = self.limit_queries, " in rows without a recipe" if self.keeps_recipes else ""
        parts = [
            f"at most {queries:,} test queries per column" if queries else "",
            f"{self.train_share:.0%} of the target's training data" if self.train_share < 1 else "",
            f"at most {self.max_examples:,} sampled examples per domain and epoch{rows}" if self.max_examples else "",
            f"at most {self.validation_queries:,} validation queries" if self.validation_queries else "",
            f"{self.backbone} for methods with a decoder" if self.backbone else "",
            f"{self.encoder} for methods that need an encoder" if self.encoder else "",
        ]
        return ", ".join(part for part in parts if part)


DEFAULT_SCALE = Scale("cpu")
"""The experiment as defined in its file, for a few CPU cores."""
SCALES: dict[str, Scale] = {
    "smoke": Scale(
        "smoke",
        limit_queries=10,
        train_share=0.02,
        max_examples=32,
        validation_queries=20,
    ),
    "cpu": DEFAULT_SCALE,
    "full": Scale(
        "full",
        max_examples=40_000,
        backbone="Qwen/Qwen2-7B-Instruct",
        encoder="microsoft/deberta-v3-base",
    ),
}
"""``smoke``: quick end-to-end check; ``cpu``: as defined in the file; ``full``: the papers' models, for a GPU.

``full`` does not change epochs, batches or learning rates: rows of the papers' experiments give a recipe for them."""


def with_changes(name: str, changes: dict[str, Any]) -> Scale:
    """Return a scale with the changes defined in an experiment."""
    return dataclasses.replace(SCALES[name], **changes)
