"""Measure a model's uncertainty by the entropy of the softmax over its logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def softmax_entropy(logits: Tensor, temperature: float | Tensor | None = None) -> Tensor:
    """Return the entropy in nats of the softmax over the last dimension, shape (...) for logits (..., n_choices).

    It is 0 if one choice has all the probability, and log(``n_choices``) if all choices are equally likely. Gradients
    flow through it and through the temperature by which the logits are divided (None does not divide). All logits must
    be finite.
    """
    log_probabilities = (logits if temperature is None else logits / temperature).log_softmax(-1)
    return -(log_probabilities.exp() * log_probabilities).sum(-1)
