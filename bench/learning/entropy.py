"""How sure a model is of a choice: the entropy of the softmax over its logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def softmax_entropy(logits: Tensor, temperature: float | Tensor | None = None) -> Tensor:
    """Return the entropy in nats of the softmax over the last dimension, shape (...) for logits (..., n_choices).

    It is 0 where one choice has all the probability and the logarithm of ``n_choices`` where all have the same.
    Gradients flow through it and through the temperature that divides the logits (None divides by nothing); every logit
    must be finite.
    """
    log_probabilities = (logits if temperature is None else logits / temperature).log_softmax(-1)
    return -(log_probabilities.exp() * log_probabilities).sum(-1)
