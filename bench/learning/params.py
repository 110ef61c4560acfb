"""Parameters of training; they are read and listed without importing torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingParams:
    """The parameters of a training that stops early; those of every RecBole model among them."""

    max_length: int = 50
    """Items of a history that are read, counted from its end."""
    epochs: int = 200
    """Maximum number of epochs."""
    patience: int = 10
    """Epochs without improvement of validation NDCG@3 before training stops."""
    learning_rate: float = 1e-3
    """Adam's learning rate."""
    batch_size: int = 256
    """Sequences, prefixes, pairs or users in a batch, whichever the model learns from."""
    weight_decay: float = 0.0
    """Adam's L2 penalty."""
