"""UniSRec: a causal encoder over title vectors transformed by gated whitening experts, pre-trained on other domains.

An item's vector is the gate-weighted sum of parametric whitenings of its title vector; the transductive form adds an
item embedding to history items and candidates. Pre-training contrasts a history with its next item and with an
augmented copy of itself, in batches that mix the source domains.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from bench.baselines.transferable.model import (
    INITIAL_DEVIATION,
    Batch,
    SequenceEncoder,
    TransferableModel,
    info_nce,
    position_vectors,
)
from bench.baselines.transferable.recommender import FINE_TUNING_FIELDS, TransferableParams, TransferableRecommender
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import dropout, embedding, softplus

from bench.files.hashing import derived_seed
from bench.lm.encoders.title_vectors import title_vectors
from bench.plugin import at_least, below, between
from bench.registry import register

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.learning.sequences import Rows
    from bench.lm.backbones import Backbone
    from bench.plugin import FitReport, Task

SMALLEST_NOISE = 0.01
"""Added to the learned standard deviation of the gates' noise."""


@dataclass(frozen=True)
class UniSRecParams(TransferableParams):
    """Hyper-parameters of UniSRec."""

    mode: Literal["auto", "inductive", "transductive"] = "auto"
    """Titles only, or titles and item embeddings; ``auto``: inductive for cold, transductive for warm items."""
    experts: int = field(default=8, metadata=at_least(1))
    """Number of whitening experts, all of which are used for every item."""
    text_dropout: float = field(default=0.2, metadata=at_least(0) | below(1))
    """Dropout rate of title vectors."""
    sequence_loss_weight: float = field(default=1e-3, metadata=at_least(0))
    """Weight of the pre-training loss between a sequence and its augmented copy."""
    item_drop: float = field(default=0.2, metadata=at_least(0) | below(1))
    """Fraction of items dropped from an augmented copy."""
    item_drop_share: float = field(default=0.9, metadata=between(0, 1))
    """Fraction of augmented copies made by dropping items; the others have words dropped from their titles."""
    word_drop: float = field(default=0.15, metadata=at_least(0) | below(1))
    """Fraction of words dropped from a title; with 0, all copies are made by dropping items."""


class GatedWhitening(nn.Module):
    """A mixture of parametric whitenings (equations 2 to 5): sum over j of g_j(x) (dropout(x) - b_j) W_j."""

    def __init__(self, text_dimensions: int, dimensions: int, experts: int, text_dropout: float) -> None:
        super().__init__()
        self.text_dropout = text_dropout
        self.shift = nn.Parameter(torch.zeros(experts, text_dimensions))
        self.map = nn.Parameter(torch.randn(experts, text_dimensions, dimensions) * INITIAL_DEVIATION)
        self.gate = nn.Parameter(torch.zeros(text_dimensions, experts))
        self.noise = nn.Parameter(torch.zeros(text_dimensions, experts))

    def gates(self, text: Tensor) -> Tensor:
        """Return each expert's share of each item, shape (n, experts); noisy in training."""
        logits = text @ self.gate
        if self.training:
            logits = logits + torch.randn_like(logits) * (softplus(text @ self.noise) + SMALLEST_NOISE)
        return logits.softmax(dim=-1)

    def forward(self, text: Tensor) -> Tensor:
        """Return items' vectors, shape (n, d), from title vectors of shape (n, text_dimensions)."""
        experts, text_dimensions, dimensions = self.map.shape
        gates = self.gates(text)
        side_by_side = self.map.transpose(0, 1).reshape(text_dimensions, experts * dimensions)
        mapped = dropout(text, self.text_dropout, self.training) @ side_by_side
        # The shifts are mapped once per expert, not once per item.
        shifts = torch.einsum("et,etd->ed", self.shift, self.map)
        return torch.einsum("ne,ned->nd", gates, mapped.view(-1, experts, dimensions)) - gates @ shifts


class UniSRecModel(TransferableModel):
    """The adaptor and the encoder over a catalogue of title vectors."""

    text: Tensor
    """Title vectors; in pre-training, followed by those of the titles with words dropped."""

    def __init__(self, params: UniSRecParams, text_dimensions: int, encoder: SequenceEncoder) -> None:
        super().__init__()
        self.params = params
        self.adaptor = GatedWhitening(text_dimensions, params.dimensions, params.experts, params.text_dropout)
        self.encoder = encoder
        self.identity: nn.Embedding | None = None
        self.register_buffer("text", torch.empty(0, text_dimensions), persistent=False)

    def read(self, text: NDArray[np.float32]) -> None:
        """Set the catalogue's unit title vectors, scaled to coordinates of about unit variance as in BERT."""
        self.text = torch.from_numpy(text * np.float32(text.shape[1] ** 0.5)).to(self.device)

    def identify(self, touched: NDArray[np.bool_]) -> None:
        """Add an item embedding, zero for items without interactions, which are scored by title only."""
        self.identity = nn.Embedding(len(touched), self.params.dimensions)
        nn.init.normal_(self.identity.weight, std=INITIAL_DEVIATION)
        with torch.no_grad():
            self.identity.weight[torch.from_numpy(~touched)] = 0

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return the adapted title vectors, plus the item embeddings if there are any, shape (n, d)."""
        vectors: Tensor = self.adaptor(self.text[items])
        return vectors if self.identity is None else vectors + self.identity(items)

    def pretraining_loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Return the loss of histories against next items, plus that of sequences against augmented copies."""
        params = self.params
        copies, copy_lengths = self.augmented(batch, rng)
        wanted = np.concatenate([batch.items, batch.following, copies])
        distinct, rows = np.unique(wanted, return_inverse=True)
        items, following, copied = np.split(rows, [len(batch.items), 2 * len(batch.items)])
        table = self.vectors_of(distinct)
        vectors = position_vectors(self.encoder, table, items, batch.lengths)
        positives = embedding(torch.from_numpy(following).to(self.device), table)
        targets, users = (torch.from_numpy(column).to(self.device) for column in (batch.following, batch.users))
        loss = info_nce(vectors, positives, targets, users, params.temperature, params.quirk)
        last, copy_last = (torch.from_numpy(ends).to(self.device) for ends in (batch.last, np.cumsum(copy_lengths) - 1))
        copy_vectors = position_vectors(self.encoder, table, copied, copy_lengths)[copy_last]
        between = info_nce(vectors[last], copy_vectors, targets[last], users[last], params.temperature, params.quirk)
        return loss + params.sequence_loss_weight * between

    def augmented(self, batch: Batch, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Return the items and lengths of a batch's augmented copies, with some items or title words dropped.

        A copy keeps at least one item. Item ``i + n`` of the ``2 n`` is item ``i`` with words dropped from its title.
        """
        params = self.params
        n_sequences = len(batch.lengths)
        drops_items = rng.random(n_sequences) < (params.item_drop_share if params.word_drop else 1.0)
        sequence = np.repeat(np.arange(n_sequences), batch.lengths)
        chance = rng.random(len(batch.items))
        safest = np.maximum.reduceat(chance, batch.last - batch.lengths + 1)
        kept = ~drops_items[sequence] | (chance >= params.item_drop) | (chance == safest[sequence])
        items = np.where(drops_items[sequence], batch.items, batch.items + len(self.text) // 2)
        return items[kept], np.bincount(sequence[kept], minlength=n_sequences)


@register(
    "unisrec",
    title="UniSRec",
    family="transferable",
    paper="Hou et al. 2022, arXiv 2206.05941",
    needs_titles=True,
    needs_sources=True,
    runs_on="text-encoder",
    cold_rule="title text through the adaptor; its item embedding, if there is one, is zero",
    ranks_catalogue=True,
    extras=("recbole",),
)
class UniSRec(TransferableRecommender):
    """Universal sequence representations from title vectors."""

    Params = UniSRecParams
    fine_tuning_fields = FINE_TUNING_FIELDS | {"mode"}

    def build_model(self, text_dimensions: int) -> UniSRecModel:
        """Return the untrained adaptor and encoder."""
        return UniSRecModel(self.params, text_dimensions, self.encoder())

    def read_sources(self, model: UniSRecModel, task: Task, backbone: Backbone) -> None:
        """Give the model all source titles, followed by those with words dropped if ``word_drop`` is set."""
        versions = [task.sources]
        if self.params.word_drop:
            versions.append(tuple(with_words_dropped(domain, self.params.word_drop) for domain in task.sources))
        domains = [domain for version in versions for domain in version]
        text = [title_vectors(domain, backbone, task.artifacts, task.progress, task.device) for domain in domains]
        model.read(np.concatenate(text))

    def read_target(self, model: UniSRecModel, task: Task, text: NDArray[np.float32]) -> None:
        """Give the model the target's titles, and item embeddings in transductive mode."""
        model.read(text)
        by_setting = "inductive" if task.setting == "cold" else "transductive"
        self.mode = by_setting if self.params.mode == "auto" else self.params.mode
        if self.mode == "transductive":
            model.identify(task.target.item_counts() > 0)

    def report(self) -> FitReport:
        """Add the chosen mode."""
        return super().report().stating(mode=self.mode)

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper: UniSRec's own deviations, then the shared ones."""
        found = ["the experts share one dropout mask of a title vector"]
        if self.params.pretrain_epochs and not self.params.word_drop:
            found.append("every augmented copy is made by dropping items")
        return (*found, *super().deviations())


def with_words_dropped(domain: Domain, share: float) -> Domain:
    """Return the domain with this fraction of words dropped from its titles, drawn with a fixed seed.

    A title keeps at least one word. The draw depends only on the titles, so that all runs share the vectors.
    """
    rng = np.random.default_rng(derived_seed(0, "word drop", str(share)))
    return replace(domain, titles=tuple(_shortened(title, share, rng) for title in domain.titles))


def _shortened(title: str, share: float, rng: np.random.Generator) -> str:
    words = title.split()
    chance = rng.random(len(words))
    return " ".join(word for word, drawn in zip(words, chance, strict=True) if drawn >= share or drawn == chance.max())
