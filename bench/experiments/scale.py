"""How large an experiment is run: scales differ in data size, number of queries and backbone alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bench.plugin import Size

ScaleName = Literal["smoke", "cpu", "full"]


@dataclass(frozen=True)
class Scale:
    """One size of an experiment; what is None stays as the experiment's file states it."""

    name: ScaleName
    limit_queries: int | None = None
    """Test queries scored at most, a seeded sample."""
    train_share: float = 1.0
    """Share that is learned from of what each row would learn from on the target."""
    max_examples: int | None = None
    """Training examples of a domain an epoch, where a method draws a sample."""
    validation_queries: int | None = None
    """Validation queries at most, a seeded sample."""
    backbone: str | None = None
    """Language model of the methods that run on a decoder."""
    encoder: str | None = None
    """Language model of the methods that run on an encoder alone."""
    says: str = ""
    """What the caption says of the scale; empty says what the fields hold."""

    @property
    def sizes(self) -> dict[Size, float]:
        """What is limited by parameters of the methods, and to how much."""
        sizes: dict[Size, float | None] = {
            "examples": self.max_examples,
            "validation": self.validation_queries,
        }
        return {kind: size for kind, size in sizes.items() if size is not None}

    def sizes_of(self, params: type[Any]) -> dict[str, float]:
        """Return the parameters of a method that this scale sets; see :func:`bench.plugin.shrinks_to`."""
        kinds = {field.name: field.metadata.get("shrinks_to") for field in dataclasses.fields(params)}
        return {name: self.sizes[kind] for name, kind in kinds.items() if kind in self.sizes}

    def sentence(self) -> str:
        """Return what a caption says of the scale."""
        return f"Scale {self.name}: {(self.says or self._facts()).rstrip('.')}."

    def _facts(self) -> str:
        queries = self.limit_queries
        parts = [
            f"{queries:,} test queries a column at most" if queries else "",
            f"{self.train_share:.0%} of the target's training part" if self.train_share < 1 else "",
            f"{self.max_examples:,} examples of a domain an epoch, where they are drawn" if self.max_examples else "",
            f"at most {self.validation_queries:,} validation queries" if self.validation_queries else "",
            f"{self.backbone} for methods that run on a decoder" if self.backbone else "",
            f"{self.encoder} for those that run on an encoder alone" if self.encoder else "",
        ]
        return ", ".join(part for part in parts if part) or "data, queries and backbone as the experiment states them"


DEFAULT_SCALE = Scale("cpu")
"""What an experiment's file states, made for a few processor cores."""
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
"""``smoke`` shows in minutes that all parts run; ``full`` is the papers' size, for an accelerator."""


def with_changes(name: str, changes: dict[str, Any]) -> Scale:
    """Return a scale with what an experiment states differently for it."""
    return dataclasses.replace(SCALES[name], **changes)
