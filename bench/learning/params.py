"""Parameters of training; they are read and listed without importing torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.plugin import above, at_least, at_most


@dataclass(frozen=True)
class TrainingParams:
    """The parameters of a training that stops early; those of every RecBole model among them."""

    max_length: int = field(default=50, metadata=at_least(1))
    """Items of a history that are read, counted from its end."""
    epochs: int = field(default=200, metadata=at_least(1))
    """Maximum number of epochs."""
    patience: int = field(default=10, metadata=at_least(1))
    """Epochs without improvement of validation NDCG@3 before training stops."""
    learning_rate: float = field(default=1e-3, metadata=above(0) | at_most(1))
    """Adam's learning rate."""
    batch_size: int = field(default=256, metadata=at_least(1))
    """Sequences, prefixes, pairs or users in a batch, whichever the model learns from."""
    weight_decay: float = field(default=0.0, metadata=at_least(0))
    """Adam's L2 penalty."""
