"""Training parameters, which can be read and listed without importing torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.plugin import above, at_least, at_most


@dataclass(frozen=True)
class TrainingParams:
    """Parameters of a training with early stopping, including that of every RecBole model."""

    max_length: int = field(default=50, metadata=at_least(1))
    """Number of most recent history items that are used."""
    epochs: int = field(default=200, metadata=at_least(1))
    """Maximum number of epochs."""
    patience: int = field(default=10, metadata=at_least(1))
    """Epochs without improvement of validation NDCG@3 before training stops."""
    learning_rate: float = field(default=1e-3, metadata=above(0) | at_most(1))
    """Adam's learning rate."""
    batch_size: int = field(default=256, metadata=at_least(1))
    """Number of sequences, prefixes, pairs or users per batch, depending on what the model is trained on."""
    weight_decay: float = field(default=0.0, metadata=at_least(0))
    """L2 penalty of Adam."""
