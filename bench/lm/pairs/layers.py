"""Run several adapted copies of an encoder layer by layer, side by side in one batch.

The ``n_streams`` copies of the encoder differ in their adapters and read the same prompts. Their states are stacked
stream by stream, (n_streams · n_prompts, length, d). Hooks on the adapted linear layers
(:mod:`bench.lm.adapters.experts`) add what differs between the streams, so the frozen weights multiply one tall matrix
instead of several.

Three savings are exact. First, the embedding and the first layer's query, key and value depend only on a token and its
position: they are computed once per distinct pair of them, so a history is not read again for each of its candidates.
(Deeper states of a history do depend on the candidate, because attention is bidirectional.) Second, the
last layer is computed only for the first token if only that is scored. Third, a state that does not depend on trained
weights has no gradient, so everything below the first trained weight is computed without gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.lm.adapters.experts import Experts
    from bench.lm.pairs.prompts import PairBatch

Between = Callable[[int, Tensor], Tensor]
"""Changes the stacked states (n_streams, n_tokens, d) after a layer, given the layer's number from 0."""
READABLE = ("bert", "deberta-v2")
Pooling = Literal["first", "mean"]
"""How a prompt's vector is made: its first token's last state, or the mean of the last states of all its tokens."""


class LayerWalk:
    """The layers of a BERT or DeBERTa-v2 encoder (DeBERTa-v3 has the latter's architecture)."""

    def __init__(self, model: Any, pooling: Pooling = "first") -> None:
        kind = model.config.model_type
        if kind not in READABLE or getattr(model.config, "conv_kernel_size", 0) > 0:
            raise BenchError(
                f"Cross-encoders support the architectures {', '.join(READABLE)} (without convolution), not '{kind}'. "
                "Without the hub, use --backbone minilm."
            )
        self.model, self.pooling = model, pooling
        self.layers: list[Any] = list(model.encoder.layer)
        self.relative = kind == "deberta-v2"
        self.n_heads = int(model.config.num_attention_heads)

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    def pooled(
        self,
        batch: PairBatch,
        experts: Experts | None = None,
        n_streams: int = 1,
        between: Between | None = None,
    ) -> Tensor:
        """Return the vector of each prompt, pooled from its last states, shape (n_streams, n_prompts, d).

        Args:
            batch: The prompts.
            experts: The adapters in use, already hooked to the model; None if they are part of it.
            n_streams: Number of copies of the encoder that run side by side.
            between: Changes all streams' states after each layer, including the last.
        """
        hidden = self._run(batch, experts, n_streams, between, first_only=self.pooling == "first")
        states = hidden.view(n_streams, len(batch.index), -1, hidden.shape[-1])
        return states[:, :, 0] if self.pooling == "first" else _mean(states, batch.mask)

    def all_tokens(self, batch: PairBatch) -> Tensor:
        """Return the last layer's states of one stream, shape (n_prompts, length, d)."""
        return self._run(batch, None, 1, None, first_only=False)

    def _run(
        self, batch: PairBatch, experts: Experts | None, n_streams: int, between: Between | None, *, first_only: bool
    ) -> Tensor:
        embedded = self.model.embeddings(input_ids=batch.tokens[None], position_ids=batch.positions[None])
        mask = None if batch.mask is None else batch.mask[:, None, None].repeat(n_streams, 1, 1, 1)
        attend = _RelativeAttention(self.model, experts, n_streams) if self.relative else _attention
        hidden = _spread(embedded, batch).repeat(n_streams, 1, 1)
        for number, layer in enumerate(self.layers):
            only_first = first_only and number == self.n_layers - 1
            attention = layer.attention.self
            if number == 0 and (experts is None or experts.by_token_alone):
                rows = embedded.expand(n_streams, -1, -1)
                query, key, value = _project(attention, rows, rows)
                projected = _spread(query, batch), _spread(key, batch), _spread(value, batch)
            else:
                projected = _project(attention, hidden, hidden if self.relative or not only_first else hidden[:, :1])
            queries, keys, values = (_heads(state, self.n_heads) for state in projected)
            if only_first and not self.relative:
                queries = queries[:, :, :1]
            context = attend(attention, queries, keys, values, mask)
            if only_first:
                hidden, context = hidden[:, :1], context[:, :1]
            attended = layer.attention.output(context, hidden)
            hidden = layer.output(layer.intermediate(attended), attended)
            if between is not None:
                stacked = hidden.reshape(n_streams, -1, hidden.shape[-1])
                hidden = between(number, stacked).view_as(hidden)
        return hidden


def _mean(states: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over each prompt's real tokens, (n_streams, n_prompts, longest, d) → (…, d), in float32."""
    states = states.float()
    if mask is None:
        return states.mean(2)
    return (states * mask[..., None]).sum(2) / mask.sum(1, keepdim=True)


def _project(attention: Any, states: Tensor, asking: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the queries of the ``asking`` states, and the keys and values of all states."""
    names = ("query", "key", "value") if hasattr(attention, "query") else ("query_proj", "key_proj", "value_proj")
    query, key, value = (getattr(attention, name) for name in names)
    return query(asking), key(states), value(states)


def _spread(rows: Tensor, batch: PairBatch) -> Tensor:
    """Copy the distinct rows to every token of every prompt: (n, n_distinct, d) → (n · n_prompts, longest, d)."""
    spread = rows.index_select(1, batch.index.flatten())
    return spread.view(-1, *batch.index.shape[1:], rows.shape[-1])


def _heads(states: Tensor, n_heads: int) -> Tensor:
    """Split states into heads: (n, length, d) → (n, n_heads, length, d / n_heads)."""
    return states.view(*states.shape[:-1], n_heads, -1).transpose(1, 2)


def _attention(_module: Any, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the attended values, shape (n, n_queries, d)."""
    if _has_slow_gradients(queries, keys, values):
        context = _attention_by_products(queries, keys, values, mask)
    else:
        context = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    return context.transpose(1, 2).flatten(2)


def _has_slow_gradients(*states: Tensor) -> bool:
    """Whether torch's fused attention is slow: its bfloat16 gradients on a CPU would take half of a training step."""
    learns = torch.is_grad_enabled() and any(state.requires_grad for state in states)
    return learns and all(state.device.type == "cpu" and state.dtype == torch.bfloat16 for state in states)


def _attention_by_products(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    queries, keys, values = (state.contiguous() for state in (queries, keys, values))
    scores = queries * queries.shape[-1] ** -0.5 @ keys.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    context: Tensor = scores.softmax(-1).to(values.dtype) @ values
    return context


class _RelativeAttention:
    """DeBERTa's attention, which compares contents with contents and contents with relative positions.

    The relative positions pass through the adapted query projection too, so their part is computed per stream;
    the large products stay stacked.
    """

    def __init__(self, model: Any, experts: Experts | None, n_streams: int) -> None:
        self.embeddings = model.encoder.get_rel_embedding()
        self.experts, self.n_streams = experts, n_streams

    def __call__(self, module: Any, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        parts = 1 + sum(kind in module.pos_att_type for kind in ("c2p", "p2c"))
        scores = queries @ keys.transpose(-1, -2) / (queries.shape[-1] * parts) ** 0.5
        if module.relative_attention:
            scores = scores + self._bias(module, queries, keys, parts).view_as(scores)
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        context: Tensor = scores.softmax(-1).to(values.dtype) @ values
        return context.transpose(1, 2).flatten(2)

    def _bias(self, module: Any, queries: Tensor, keys: Tensor, parts: int) -> Tensor:
        streams = zip(queries.chunk(self.n_streams), keys.chunk(self.n_streams), strict=True)
        biases = []
        for number, (asking, asked) in enumerate(streams):
            if self.experts is not None:
                self.experts.stream = number
            biases.append(
                module.disentangled_attention_bias(
                    asking.flatten(0, 1), asked.flatten(0, 1), None, self.embeddings, parts
                )
            )
        if self.experts is not None:
            self.experts.stream = None
        return torch.cat(biases)
