"""VQ-Rec: titles are quantized to discrete codes (optimized product quantization); items are means of code vectors.

Pre-training contrasts a history's next item with the other items of a batch that mixes the source domains and with a
semi-synthetic item. The target has its own codes, so the pre-trained vectors are first reassigned to them by a learned
permutation and then trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from bench.baselines.transferable.codes import BITS, faiss_library, stored_codes
from bench.baselines.transferable.model import (
    Batch,
    FineTuning,
    SequenceEncoder,
    TransferableModel,
    info_nce,
    initialize,
    position_vectors,
)
from bench.baselines.transferable.recommender import FINE_TUNING_FIELDS, TransferableParams, TransferableRecommender
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding, embedding_bag, one_hot

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.learning.training import descend
from bench.lm.encoders.title_vectors import title_vectors
from bench.plugin import above, at_least, at_most, between
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.sequences import Rows
    from bench.lm.backbones import Backbone
    from bench.plugin import Task

SLOTS = 2**BITS + 1
"""Rows per block of the code table: slot 0 is padding, code ``c`` is slot ``c + 1``."""


@dataclass(frozen=True)
class VQRecParams(TransferableParams):
    """Hyper-parameters of VQ-Rec."""

    learning_rate: float = field(default=3e-3, metadata=above(0) | at_most(1))
    """Adam's learning rate in fine-tuning."""
    code_blocks: int = field(default=32, metadata=at_least(1))
    """Number of codes per item, which is the number of blocks of its rotated title vector."""
    rotation_rounds: int = field(default=20, metadata=at_least(1))
    """Rounds of fitting the rotation and the centroids (faiss's default: 50)."""
    synthetic_share: float = field(default=0.75, metadata=between(0, 1))
    """Fraction of an item's codes replaced by random ones in its semi-synthetic negative."""
    permutation: Literal["straight-through", "random", "none"] = "straight-through"
    """How pre-trained vectors are reassigned to the target's codes: learned (as described in the paper), random (the
    effect of the published code), or not at all."""
    permutation_epochs: int = field(default=5, metadata=at_least(0))
    """Epochs in which only the permutation is learned."""
    permutation_temperature: float = field(default=0.7, metadata=above(0))
    """Temperature of the permutation's scores."""
    sinkhorn_rounds: int = field(default=3, metadata=at_least(1))
    """Number of Sinkhorn iterations."""


class Permutation(nn.Module):
    """Maps each slot of each block to the slot whose vector it takes over, learned with Sinkhorn balancing."""

    padding: Tensor
    """Whether a move is between padding and a code, which is not allowed, shape (slots, slots)."""

    def __init__(self, blocks: int, temperature: float, rounds: int) -> None:
        super().__init__()
        self.temperature, self.rounds = temperature, rounds
        self.scores = nn.Parameter(torch.randn(blocks, SLOTS, SLOTS))
        padding = torch.zeros(SLOTS, SLOTS, dtype=torch.bool)
        padding[0, 1:] = padding[1:, 0] = True
        self.register_buffer("padding", padding, persistent=False)

    def forward(self, noisy: bool) -> Tensor:
        """Return the one-hot assignment, shape (blocks, slots, slots), with the gradient of the balanced scores.

        Several rows may select the same column, as in the published code. The padding keeps its slot.
        """
        scores: Tensor = self.scores
        if noisy:
            scores = scores - torch.log(-torch.log(torch.rand_like(scores).clamp(1e-9, 1 - 1e-7)))
        soft = sinkhorn((scores / self.temperature).masked_fill(self.padding, -torch.inf), self.rounds)
        hard = one_hot(soft.argmax(dim=-1), SLOTS).to(soft)
        return hard + soft - soft.detach()


class VQRecModel(TransferableModel):
    """The table of code vectors and the encoder over a catalogue of codes."""

    codes: Tensor
    """Rows of the table for each item, shape (n_items, blocks)."""

    def __init__(self, params: VQRecParams, encoder: SequenceEncoder) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        self.table = nn.Embedding(params.code_blocks * SLOTS, params.dimensions)
        initialize(self.table)
        self.permutation: Permutation | None = None
        self.n_centroids = 1
        self.register_buffer("codes", torch.empty(0, params.code_blocks, dtype=torch.int64), persistent=False)

    def read(self, codes: NDArray[np.int64], n_centroids: int) -> None:
        """Set the catalogue's codes, shape (n_items, blocks), each less than ``n_centroids``."""
        self.codes = torch.from_numpy(table_rows(codes)).to(self.device)
        self.n_centroids = n_centroids

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return the mean of each item's code vectors, shape (n, d)."""
        return embedding_bag(self.codes[items], self.code_vectors(), mode="mean")

    def code_vectors(self) -> Tensor:
        """Return the table, permuted while a permutation is being learned, shape (blocks * slots, d)."""
        if self.permutation is None:
            return self.table.weight
        return self.permuted(self.permutation(noisy=self.training))

    def permuted(self, assignment: Tensor) -> Tensor:
        """Return the table with the rows of every block reassigned, shape (blocks * slots, d)."""
        blocks = self.table.weight.view(len(assignment), SLOTS, -1)
        return torch.bmm(assignment, blocks).flatten(0, 1)

    def pretraining_loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Return the contrastive loss of next items against the batch's other items and semi-synthetic ones."""
        distinct, rows = np.unique(np.concatenate([batch.items, batch.following]), return_inverse=True)
        items, following = np.split(rows, 2)
        vectors_of_items = self.vectors_of(distinct)
        vectors = position_vectors(self.encoder, vectors_of_items, items, batch.lengths)
        positives = embedding(torch.from_numpy(following).to(self.device), vectors_of_items)
        targets, users = (torch.from_numpy(column).to(self.device) for column in (batch.following, batch.users))
        synthetic = embedding_bag(self.synthetic(targets), self.table.weight, mode="mean")
        return info_nce(vectors, positives, targets, users, self.params.temperature, self.params.quirk, synthetic)

    def synthetic(self, items: Tensor) -> Tensor:
        """Return the items' table rows with a fraction of the codes replaced by random ones, (n, blocks)."""
        real = self.codes[items]
        first = torch.arange(real.shape[1], device=real.device) * SLOTS + 1
        drawn = first + torch.randint(self.n_centroids, real.shape, device=real.device)
        return torch.where(torch.rand(real.shape, device=real.device) < self.params.synthetic_share, drawn, real)


@register(
    "vqrec",
    title="VQ-Rec",
    family="transferable",
    paper="Hou et al. 2023, arXiv 2210.12316",
    needs_titles=True,
    needs_sources=True,
    runs_on="text-encoder",
    cold_rule="codes of its title, with centroids fitted to the titles of items with training interactions",
    ranks_catalogue=True,
    extras=("recbole", "vqrec"),
)
class VQRec(TransferableRecommender):
    """Vector-quantized item representations from title vectors."""

    Params = VQRecParams
    fine_tuning_fields = FINE_TUNING_FIELDS | {
        "permutation",
        "permutation_epochs",
        "permutation_temperature",
        "sinkhorn_rounds",
    }

    def build_model(self, text_dimensions: int) -> VQRecModel:
        """Return the untrained code table and encoder."""
        if text_dimensions % self.params.code_blocks:
            raise BenchError(
                f"Parameter 'code_blocks' of 'vqrec' must divide the title vectors' {text_dimensions} dimensions, but "
                f"is {self.params.code_blocks}. See 'bench describe vqrec'."
            )
        return VQRecModel(self.params, self.encoder())

    def made_with(self) -> dict[str, str]:
        """Return the version of faiss, which computes the codes."""
        return {"faiss": faiss_library().__version__}

    def read_sources(self, model: VQRecModel, task: Task, backbone: Backbone) -> None:
        """Give the model the codes of all source items, with centroids shared by the sources."""
        text = [title_vectors(domain, backbone, task.artifacts, task.progress, task.device) for domain in task.sources]
        trained = np.concatenate([domain.item_counts() > 0 for domain in task.sources])
        titles = [title for domain in task.sources for title in domain.titles]
        model.read(*self._codes(task, titles, np.concatenate(text), trained))

    def read_target(self, model: VQRecModel, task: Task, text: NDArray[np.float32]) -> None:
        """Give the model the codes of the target's items, with the target's own centroids."""
        model.read(*self._codes(task, task.target.titles, text, task.target.item_counts() > 0))

    def before_fine_tuning(self, model: VQRecModel, task: Task, learner: FineTuning) -> None:
        """Reassign the pre-trained code vectors to the target's codes."""
        params = self.params
        if not params.pretrain_epochs or params.permutation == "none":
            return
        model.permutation = Permutation(params.code_blocks, params.permutation_temperature, params.sinkhorn_rounds)
        model.permutation.to(task.device)
        if params.permutation == "straight-through":
            self._learn_permutation(model, model.permutation, task, learner)
        with torch.no_grad():
            model.table.weight.copy_(model.permuted(model.permutation(noisy=params.permutation == "random")))
        model.permutation = None

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper: VQ-Rec's own deviations, then the shared ones."""
        found = [
            "no inverted list: the published code has a single list, which does not change the codes",
            f"rotation fitted in {self.params.rotation_rounds} rounds instead of 50",
        ]
        if self.params.pretrain_epochs and self.params.permutation == "none":
            found.append("no permutation")
        elif self.params.pretrain_epochs and self.params.permutation != "random":
            found.append("the permutation is learned by a straight-through gradient; the published code has none")
        return (*found, *super().deviations())

    def _learn_permutation(self, model: VQRecModel, permutation: Permutation, task: Task, learner: FineTuning) -> None:
        rng = np.random.default_rng(derived_seed(task.seed, "VQRec", "permutation"))
        model.requires_grad_(False)
        permutation.requires_grad_(True)
        optimizer = torch.optim.Adam(permutation.parameters(), self.params.learning_rate, fused=True)
        for epoch in range(1, self.params.permutation_epochs + 1):
            loss = descend(model, optimizer, learner.losses(model, rng))
            task.progress(f"VQRec on {task.target.name}, permutation epoch {epoch}: loss {loss:.4f}")
        model.requires_grad_(True)

    def _codes(
        self, task: Task, titles: Sequence[str], vectors: NDArray[np.float32], trained: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], int]:
        """Quantize each distinct title once, because rounding could give equal vectors different centroids."""
        numbers: dict[str, int] = {}
        distinct = np.array([numbers.setdefault(title, len(numbers)) for title in titles])
        _, first = np.unique(distinct, return_index=True)
        blocks, rounds = self.params.code_blocks, self.params.rotation_rounds
        task.progress(f"quantizing {len(first):,} titles in {blocks} blocks")
        anyone = np.bincount(distinct[trained], minlength=len(first)) > 0
        codes, n_centroids = stored_codes(task.artifacts, vectors[first], anyone, blocks, rounds, task.seed)
        return codes[distinct], n_centroids


def sinkhorn(scores: Tensor, rounds: int) -> Tensor:
    """Return ``exp(scores)`` with rows and columns normalized in turn to sum to about one, shape (..., n, n)."""
    for _ in range(rounds):
        scores = scores - scores.logsumexp(dim=-1, keepdim=True)
        scores = scores - scores.logsumexp(dim=-2, keepdim=True)
    return scores.exp()


def table_rows(codes: NDArray[np.int64]) -> Rows:
    """Return the table rows of codes: code ``c`` of block ``b`` is row ``257 b + c + 1``."""
    rows: Rows = codes + 1 + SLOTS * np.arange(codes.shape[1])
    return rows
