"""Run the top layers of an encoder over many titles at once, with the layers below computed only once.

If only the top layers have adapters, the states that enter them depend only on the title and are kept. Titles of the
same length follow each other without padding: the linear layers read all tokens as one tall matrix.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.lm.batching import moved
from bench.lm.encoders.title_attention import GroupedAttention, PaddedAttention, TitleAttention
from bench.lm.precision import training_dtype, training_precision
from bench.progress import ProgressHook, Steps, tell

READABLE = ("bert",)
"""Architectures whose layers can be run one by one."""
LAYERS = "encoder.layer."
"""How the names of the modules in the layers begin, before the layer's number."""
TITLES_AT_ONCE = 512
MOST_KEPT_BYTES = 2**30
"""Memory for the states of catalogues outside training. MiniLM's take 1,536 bytes per token of a title, so that two
catalogues of the size of Beauty fit."""


def can_be_split(model: Any) -> bool:
    """Whether the encoder's layers can be run one by one."""
    return model.config.model_type in READABLE


def n_adapted_layers(model: Any, modules: Collection[str]) -> int | None:
    """Return how many top layers contain the named modules; None if nothing below them can be kept."""
    if not (modules and can_be_split(model) and all(module.startswith(LAYERS) for module in modules)):
        return None
    lowest = min(int(module.removeprefix(LAYERS).partition(".")[0]) for module in modules)
    return len(model.encoder.layer) - lowest if lowest else None


class TitleLayers:
    """Keep the states of a catalogue's titles below the top layers and run the top layers on them."""

    def __init__(self, model: Any, tokens: Sequence[Sequence[int]], n_top: int, *, exact: bool = False) -> None:
        """Leave ``n_top`` layers to run later, 0 all of them; nothing is computed yet.

        Args:
            model: The encoder.
            tokens: Token ids of each title.
            n_top: Number of top layers, which may be adapted.
            exact: Compute in float32, as final scores are; otherwise in the number format of training.
        """
        layers = list(model.encoder.layer)
        n_below = max(0, len(layers) - n_top) if n_top else 0
        self.model, self.tokens, self.exact = model, tokens, exact
        self.bottom, self.top = layers[:n_below], layers[n_below:]
        self.n_heads = int(model.config.num_attention_heads)
        self.device = next(model.parameters()).device
        self.lengths = np.array([len(ids) for ids in tokens])
        self.starts = np.cumsum(self.lengths) - self.lengths
        width, kept_as = int(model.config.hidden_size), torch.float32 if exact else training_dtype(self.device)
        self.below = torch.empty(int(self.lengths.sum()), width, dtype=kept_as, device=self.device)
        self.is_kept = np.zeros(len(tokens), dtype=bool)

    def keep(self, titles: NDArray[np.integer], progress: ProgressHook | None = None) -> None:
        """Compute the lower states of those titles that have none yet."""
        missing = np.unique(titles[~self.is_kept[titles]])
        n_done = 0
        with torch.no_grad(), self._precision():
            for alike in self._by_length(missing):
                ids = torch.tensor([self.tokens[title] for title in alike], device=self.device)
                states = self.model.embeddings(input_ids=ids).flatten(0, 1)
                for layer in self.bottom:
                    states = self._run(layer, states, GroupedAttention(self.lengths[alike]))
                self.below[self._places(alike)] = states.to(self.below.dtype)
                self.is_kept[alike] = True
                n_done += len(alike)
                tell(progress, Steps("computing the frozen layers", n_done, len(missing), "titles", n_after=None))

    def vectors(self, titles: NDArray[np.integer]) -> Tensor:
        """Return the unit-length means of the titles' last states, shape (n, d), with gradients if enabled."""
        self.keep(titles)
        order = np.argsort(self.lengths[titles], kind="stable")
        by_length = titles[order]
        attention = self._attention(self.lengths[by_length])
        with self._precision():
            states = self.below[self._places(by_length)]
            for layer in self.top:
                states = self._run(layer, states, attention)
        means = attention.means(states.float())
        return nn.functional.normalize(means[moved(np.argsort(order), self.device)], dim=-1)

    def all_vectors(self, titles: NDArray[np.integer], progress: ProgressHook | None = None) -> Tensor:
        """Return :meth:`vectors` for any number of titles, without gradients."""
        parts = []
        with torch.no_grad():
            for start in range(0, len(titles), TITLES_AT_ONCE):
                part = titles[start : start + TITLES_AT_ONCE]
                parts.append(self.vectors(part))
                tell(progress, Steps("encoding titles", start + len(part), len(titles), "titles"))
        return torch.cat(parts)

    def _precision(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.exact else training_precision(self.device)

    def _attention(self, lengths: NDArray[np.int64]) -> TitleAttention:
        """Return the attention of titles of these lengths, in ascending order."""
        # equal titles must have equal final scores, and a fused kernel may round them differently
        if self.exact or self.device.type == "cpu":
            return GroupedAttention(lengths)
        return PaddedAttention(lengths, self.device)

    def _run(self, layer: Any, states: Tensor, attention: TitleAttention) -> Tensor:
        """Return a layer's output for consecutive tokens, shape (n_tokens, d)."""
        own = layer.attention.self
        context = attention.attend(own.query(states), own.key(states), own.value(states), self.n_heads)
        attended = layer.attention.output(context, states)
        output: Tensor = layer.output(layer.intermediate(attended), attended)
        return output

    def _by_length(self, titles: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Split titles into groups of equal length."""
        parts = []
        for length in np.unique(self.lengths[titles]):
            alike = titles[self.lengths[titles] == length]
            parts += [alike[start : start + TITLES_AT_ONCE] for start in range(0, len(alike), TITLES_AT_ONCE)]
        return parts

    def _places(self, titles: NDArray[np.integer]) -> Tensor:
        """Return the row numbers of the titles' tokens, title by title."""
        lengths = self.lengths[titles]
        before = np.cumsum(lengths) - lengths
        places = np.repeat(self.starts[titles] - before, lengths) + np.arange(lengths.sum())
        return moved(places, self.device)


class KeptLayers:
    """Catalogues whose titles' lower states are kept in float32 from one merge to the next, as far as memory allows."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._layers: dict[tuple[str, int], TitleLayers] = {}

    def of(self, catalogue: str, tokens: Sequence[Sequence[int]], n_top: int) -> TitleLayers | None:
        """Return a catalogue's layers, dropping older ones to make room; None if it is too large by itself."""
        key, kept = (catalogue, n_top), self._layers
        if key not in kept:
            n_tokens = sum(map(len, tokens))
            room = MOST_KEPT_BYTES - n_tokens * int(self.model.config.hidden_size) * torch.float32.itemsize
            if room < 0:
                return None
            while sum(layers.below.nbytes for layers in kept.values()) > room:
                del kept[next(iter(kept))]
            kept[key] = TitleLayers(self.model, tokens, n_top, exact=True)
        return kept[key]
