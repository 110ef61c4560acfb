"""Compute how much memory a decoder needs on a device, from the sizes in its configuration; pure arithmetic.

Counted are the tensors that exist at the same time: weights, the adapter with its gradient and optimizer state, what
the layers save for the backward pass, and logits. The allocator's own overhead is not included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from bench.errors import BenchError

FLOAT32 = 4
BFLOAT16 = 2
GIGABYTE = 10**9
ADAMW_MOMENTS = 2
ROUND_TOKENS = 1024
"""Passes have a multiple of this many tokens, so that a little less memory does not change them."""
TOKENS_PER_ANSWER_TOKEN = 8
"""Of this many tokens of a pass, at most one belongs to an answer, for an answer's tokens take logits, too."""
FEWEST_TOKENS = 4096
"""Tokens in a pass that keep an accelerator busy; layers are recomputed if fewer would fit otherwise."""
MOST_TOKENS = 2**15
"""Tokens in a pass beyond which an accelerator computes no faster."""
SHARE_OF_DEVICE = "BENCH_SHARE_OF_DEVICE"
"""Environment variable with the fraction of a device's memory that a process may plan for, if several share it."""
CPU_TOKENS = 2048
"""Tokens in a pass of training on a CPU. Longer passes are slower, because they leave its caches, and the memory that
they free in pieces of many sizes is not used again."""
KEPT_FREE = 0.15
"""Fraction of a device's memory that is left to the allocator, temporary results and other libraries."""


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of a decoder with gated feed-forward layers (Qwen2, Llama, Mistral)."""

    width: int
    layers: int
    query_width: int
    """Query heads times the width of a head."""
    key_width: int
    """Key heads times the width of a head."""
    inner_width: int
    vocabulary: int
    tied: bool = False
    """Whether the output head is the embedding matrix."""
    attention_bias: bool = False
    """Whether queries, keys and values have a bias."""

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the shape that a ``config.json`` describes.

        Raises:
            BenchError: it does not describe a decoder of this kind.
        """
        try:
            heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
            head_width = int(config.get("head_dim") or width // heads)
            return cls(
                width=width,
                layers=int(config["num_hidden_layers"]),
                query_width=heads * head_width,
                key_width=int(config["num_key_value_heads"] or heads) * head_width,
                inner_width=int(config["intermediate_size"]),
                vocabulary=int(config["vocab_size"]),
                tied=bool(config.get("tie_word_embeddings")),
                attention_bias=bool(config.get("attention_bias", config.get("model_type") == "qwen2")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BenchError(
                "The memory model needs a decoder of the Qwen2, Llama or Mistral architecture; this configuration "
                f"lacks {error}."
            ) from error

    @property
    def linear_layers(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each linear layer of one decoder layer: query, key, value, output, gate, up, down."""
        d, q, k, f = self.width, self.query_width, self.key_width, self.inner_width
        return (d, q), (d, k), (d, k), (q, d), (d, f), (d, f), (f, d)

    @property
    def n_adapted_weights(self) -> int:
        """Number of weights of the layers that an adapter changes."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linear_layers)

    @property
    def n_parameters(self) -> int:
        """Number of all parameters."""
        norms = (2 * self.layers + 1) * self.width
        biases = self.layers * (self.query_width + 2 * self.key_width) if self.attention_bias else 0
        embeddings = self.vocabulary * self.width * (1 if self.tied else 2)
        return self.n_adapted_weights + norms + biases + embeddings

    def n_adapter_parameters(self, rank: int) -> int:
        """Return the number of parameters of an adapter on all linear layers."""
        return self.layers * sum(rank * (inputs + outputs) for inputs, outputs in self.linear_layers)

    def saved_bytes(self, element: int, rank: int, *, dropout: bool) -> int:
        """Return the bytes that one layer with an adapter in training saves per token for the backward pass.

        Args:
            element: Bytes per number of the hidden states.
            rank: Rank of the adapter.
            dropout: Whether the adapter drops inputs, which saves a mask and separate inputs of each adapted layer.
        """
        d, q, k, f = self.width, self.query_width, self.key_width, self.inner_width
        norms = 2 * FLOAT32 * (d + 1)
        attention = element * (2 * q + 2 * k)
        gated = element * 3 * f
        inputs = sum(inputs for inputs, _ in self.linear_layers)
        # without copies in another format, layers that read the same states share one saved input
        separate = dropout or element != FLOAT32
        adapted = element * (inputs if separate else 2 * d + q + f) + element * rank * len(self.linear_layers)
        return norms + attention + gated + adapted + (inputs if dropout else 0)


@dataclass(frozen=True)
class Memory:
    """Bytes on a device."""

    weights: int
    """The frozen weights, with the originals of those into which an adapter is folded."""
    adapter: int
    """Factors, their gradient, and copies of them."""
    optimizer: int
    activations: int
    """What the layers save for the backward pass, or keep during a pass without one."""
    logits: int

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(getattr(self, part.name) for part in fields(self))


@dataclass(frozen=True)
class TrainingPass:
    """The tokens of one forward and backward pass."""

    tokens: int
    """All tokens, padding included."""
    answer_tokens: int
    """Tokens whose logits are computed."""
    recomputed: bool = False
    """Whether layers run again in the backward pass, so that only their inputs are saved."""


def training_memory(
    shape: DecoderShape, one_pass: TrainingPass, rank: int = 16, *, dropout: bool = True, element: int = BFLOAT16
) -> Memory:
    """Return the memory of a step that trains an adapter, with AdamW and a copy of the best state."""
    n_adapter = shape.n_adapter_parameters(rank)
    by_layer = shape.saved_bytes(element, rank, dropout=dropout)
    kept = shape.layers * shape.width * element + by_layer if one_pass.recomputed else shape.layers * by_layer
    final_norm = FLOAT32 * (shape.width + 1)
    in_autocast = element if element != FLOAT32 else 0
    return Memory(
        weights=element * shape.n_parameters,
        adapter=(3 * FLOAT32 + in_autocast) * n_adapter,
        optimizer=ADAMW_MOMENTS * FLOAT32 * n_adapter,
        activations=one_pass.tokens * (kept + final_norm),
        logits=one_pass.answer_tokens * shape.vocabulary * (element + 3 * FLOAT32),
    )


def merging_memory(
    shape: DecoderShape, n_adapters: int, prompt_tokens: int, counted_tokens: int, rank: int = 16
) -> Memory:
    """Return the memory of a step that learns merge weights, one prompt at a time, in bfloat16."""
    n_adapter = shape.n_adapter_parameters(rank)
    by_layer = shape.saved_bytes(BFLOAT16, rank, dropout=False)
    return Memory(
        weights=BFLOAT16 * shape.n_parameters,
        adapter=FLOAT32 * n_adapter * (n_adapters + 2),
        optimizer=0,
        activations=prompt_tokens * (shape.layers * by_layer + FLOAT32 * shape.width),
        logits=counted_tokens * shape.vocabulary * (BFLOAT16 + 3 * FLOAT32),
    )


def scoring_memory(shape: DecoderShape, tokens: int, logits_at_once: int, rank: int = 16) -> Memory:
    """Return the memory of a pass that scores with a folded adapter, in bfloat16.

    The original weights are kept, and a copy of the output head in float32.
    """
    states = 4 * shape.width + 2 * shape.query_width + 2 * shape.key_width + 3 * shape.inner_width
    return Memory(
        weights=BFLOAT16 * (shape.n_parameters + shape.n_adapted_weights) + FLOAT32 * shape.vocabulary * shape.width,
        adapter=FLOAT32 * shape.n_adapter_parameters(rank),
        optimizer=0,
        activations=tokens * states * BFLOAT16,
        logits=logits_at_once * (BFLOAT16 + 2 * FLOAT32),
    )


@dataclass(frozen=True)
class PassLimit:
    """How a batch is divided into passes on a device; it decides memory and speed, not what is learned."""

    tokens: int | None
    """Maximum number of tokens of a pass of several rows, padding included; None never divides a batch."""
    recomputed_above: float
    """Number of tokens above which a pass recomputes its layers."""


NO_LIMIT = PassLimit(None, float("inf"))


def pass_limit(
    shape: DecoderShape, device_bytes: int, rank: int = 16, *, dropout: bool = True, element: int = BFLOAT16
) -> PassLimit:
    """Return the longest passes of training that fit on an accelerator with this much memory.

    Layers are recomputed, which costs a third more work, only if passes without it were too short to keep it busy.
    """

    def fitting(*, recomputed: bool) -> int:
        fixed = training_memory(shape, TrainingPass(0, 0, recomputed), rank, dropout=dropout, element=element).total
        longer = TrainingPass(ROUND_TOKENS, ROUND_TOKENS // TOKENS_PER_ANSWER_TOKEN, recomputed)
        used = training_memory(shape, longer, rank, dropout=dropout, element=element).total - fixed
        n_rounds = int((device_bytes * (1 - KEPT_FREE) - fixed) // used)
        return max(ROUND_TOKENS, min(MOST_TOKENS, n_rounds * ROUND_TOKENS))

    saving = fitting(recomputed=False)
    if saving >= FEWEST_TOKENS:
        return PassLimit(saving, saving)
    return PassLimit(fitting(recomputed=True), 0)


def recomputing_limit(shape: DecoderShape, allowed_bytes: float, rank: int, *, dropout: bool) -> PassLimit:
    """Return the limit of a CPU: short passes, whose layers are recomputed if they need more memory."""
    by_token = shape.layers * shape.saved_bytes(FLOAT32, rank, dropout=dropout)
    return PassLimit(CPU_TOKENS, allowed_bytes / by_token)
