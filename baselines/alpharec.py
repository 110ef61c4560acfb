"""AlphaRec: title vectors of a frozen language model, mapped by a small network and propagated over interactions.

Paper: Sheng et al. 2024, "Language Representations Can be What Recommenders Need". With frozen title vectors ``e_i``,
the map ``f`` and the degrees ``d`` of the training graph::

    i⁰ = f(e_i)        u⁰ = f(mean of e_i over u's items)
    iˡ⁺¹ = Σ_u uˡ / √(d_u d_i)        uˡ⁺¹ = Σ_i iˡ / √(d_u d_i)
    score(u, i) = cosine(mean of uˡ over the layers, mean of iˡ over the layers)

No parameter belongs to a single user, so a query's user vector is computed from its history by the same equations.
If the history equals the user's training items, the result is the trained user's vector; unseen users get one as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding, leaky_relu, normalize

from bench.files.hashing import derived_seed
from bench.learning.dot_scores import candidate_dots
from bench.learning.epochs import Resumable, TrainingRecord, train_until_no_better
from bench.learning.interaction_graph import Graph, touched, untouched
from bench.learning.keys import training_key
from bench.learning.sequences import random_batches
from bench.learning.stored import trained_once
from bench.learning.training import descend, seeded, stopping_score
from bench.lm.encoders.title_vectors import title_vectors
from bench.lm.loading import task_backbone
from bench.plugin import FitReport, Queries, Recommender, Task, above, at_least, at_most
from bench.progress import prefixed
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint

ROWS_SHARING_NEGATIVES = 64
"""Training pairs that share their drawn negatives: a 64th of the vectors to fetch, the same expectation."""
QUERIES_AT_ONCE = 4096


@register(
    "alpharec",
    title="AlphaRec",
    family="transferable",
    paper="Sheng et al. 2024, arXiv 2407.05441",
    needs_titles=True,
    runs_on="text-encoder",
    cold_rule="mapped title vector; items without training interactions are not part of the graph",
    ranks_catalogue=True,
)
class AlphaRec(Recommender):
    """A network over frozen title vectors, trained with propagation over the graph of training interactions."""

    @dataclass(frozen=True)
    class Params:
        """Hyper-parameters of AlphaRec."""

        map: Literal["mlp", "linear"] = "mlp"
        """Two layers with a leaky ReLU, or one matrix without bias (the paper's ``homo``)."""
        hidden: int = field(default=192, metadata=at_least(1))
        """Size of the hidden layer: half of minilm's 384, as the paper uses half of 3072."""
        dimensions: int = field(default=64, metadata=at_least(1))
        """Size of mapped vectors."""
        layers: int = field(default=2, metadata=at_least(0))
        """Propagation steps in the graph; 0 uses only the map."""
        temperature: float = field(default=0.15, metadata=above(0))
        """Temperature of the loss (the paper: .15 or .2)."""
        negatives: int = field(default=256, metadata=at_least(1))
        """Number of negatives per training pair."""
        user_vector: Literal["query", "training"] = "query"
        """How user vectors are computed: from the query's history, or from training items if any (the paper)."""
        epochs: int = field(default=500, metadata=at_least(1))
        """Maximum number of epochs."""
        patience: int = field(default=20, metadata=at_least(1))
        """Epochs without improvement of validation NDCG@3 before training stops."""
        learning_rate: float = field(default=5e-4, metadata=above(0) | at_most(1))
        """Adam's learning rate."""
        batch_size: int = field(default=4096, metadata=at_least(1))
        """Training pairs per batch."""
        weight_decay: float = field(default=1e-6, metadata=at_least(0))
        """Adam's L2 penalty."""

    def fit(self, task: Task) -> None:
        """Load the title vectors, then train the map or load the weights of an identical training."""
        self.domain, self.device = task.target, task.device
        backbone = task_backbone(task)
        vectors = title_vectors(task.target, backbone, task.artifacts, task.progress, task.device)
        self.histories = touched(task.target.indptr, task.target.items, task.target.n_items)
        self.degrees = np.maximum(self.histories.sum(axis=0), 1)
        with seeded(derived_seed(task.seed, "alpharec")):
            graph = Graph(self.histories, self.degrees, task.device)
            self.model = Network(torch.from_numpy(vectors), graph, self.params).to(task.device)
            key = training_key(self, task, read_by=(title_vectors.__module__,), backbone=backbone.revision)
            self.record = trained_once(task.artifacts, "models", key, self.model, partial(self._train, task))

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the cosines of users and candidates, shape (n, n_candidates)."""
        self.model.eval()
        with torch.no_grad():
            users, items = self.model.encode(Graph(self._histories_of(queries), self.degrees, self.device))
            scores = np.empty(queries.candidates.shape, dtype=np.float32)
            for start in range(0, len(queries), QUERIES_AT_ONCE):
                rows = slice(start, start + QUERIES_AT_ONCE)
                scores[rows] = candidate_dots(users[rows], items, queries, rows).cpu().numpy()
            return scores

    def report(self) -> FitReport:
        """Return the size of the map and its training log."""
        return FitReport(
            trained_parameters=sum(weights.numel() for weights in self.model.parameters()),
            training=self.record.report(),
        ).stating(
            title_dimensions=self.model.titles.shape[1],
            edges=self.histories.nnz,
            user_vector=self.params.user_vector,
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "Title vectors come from the run's backbone, not from text-embedding-3-large.",
            f"{ROWS_SHARING_NEGATIVES} training pairs share their negatives; an item that a pair's user interacted "
            "with is left out, and the weight of the others is increased to compensate.",
            "Negatives are drawn from items with training interactions.",
            "A query's user vector is computed from its history by the trained equations.",
            "Early stopping uses NDCG@3 on the fixed validation candidates.",
        )

    def losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch: all training interactions in random order."""
        pairs = self.histories.tocoo()
        pool = np.flatnonzero(self.domain.item_counts())
        for rows in random_batches(pairs.nnz, self.params.batch_size, rng):
            users, positives = pairs.row[rows], pairs.col[rows].astype(np.int64)
            n_groups = -(-len(rows) // ROWS_SHARING_NEGATIVES)
            negatives = np.sort(pool[rng.integers(len(pool), size=(n_groups, self.params.negatives))])
            allowed = untouched(self.histories[users], negatives, ROWS_SHARING_NEGATIVES)
            yield self.model.loss(
                *(torch.from_numpy(part).to(self.device) for part in (users, positives)),
                *(torch.from_numpy(part).to(self.device) for part in (negatives, allowed)),
            )

    def _histories_of(self, queries: Queries) -> sp.csr_array:
        given = touched(queries.history_indptr, queries.history_items, self.domain.n_items)
        if self.params.user_vector == "query":
            return given
        trained = self.histories[queries.users]
        return sp.csr_array(trained + sp.diags_array((trained.sum(axis=1) == 0).astype(np.float32)) @ given)

    def _train(self, task: Task, checkpoint: Checkpoint) -> TrainingRecord:
        rng = np.random.default_rng(derived_seed(task.seed, "batches", "alpharec"))
        optimizer = torch.optim.Adam(
            self.model.parameters(), self.params.learning_rate, weight_decay=self.params.weight_decay, fused=True
        )
        return train_until_no_better(
            self.model,
            lambda: descend(self.model, optimizer, self.losses(rng)),
            lambda: stopping_score(self.score(task.validation), task.validation_answers),
            self.params.epochs,
            self.params.patience,
            prefixed(task.progress, f"AlphaRec on {task.target.name}, "),
            Resumable(checkpoint, optimizer, rng),
        )


class Network(nn.Module):
    """The map and its propagation; the given title vectors and graph are not stored with the weights."""

    titles: Tensor

    def __init__(self, titles: Tensor, graph: Graph, params: AlphaRec.Params) -> None:
        super().__init__()
        self.register_buffer("titles", titles, persistent=False)
        self.graph, self.n_layers, self.temperature = graph, params.layers, params.temperature
        is_linear = params.map == "linear"
        width = params.dimensions if is_linear else params.hidden
        self.first = nn.Linear(titles.shape[1], width, bias=not is_linear)
        self.last = None if is_linear else nn.Linear(params.hidden, params.dimensions)

    def encode(self, readers: Graph | None = None) -> tuple[Tensor, Tensor]:
        """Return unit vectors of the readers (by default the training users) and of all items, (n, d), (n_items, d).

        The map's first layer is linear, so it is applied only to items: a reader's output is the mean of its items'.
        """
        projected = self.first(self.titles)
        readers_mean = None if readers is None else readers.mean_of(projected)
        users = [self._finish(self.graph.mean_of(projected))]
        items = [self._finish(projected)]
        for _ in range(self.n_layers):
            # both sides use the same previous layer, so the users' next one is computed before the items' is appended
            following = self.graph.to_users(items[-1])
            items.append(self.graph.to_items(users[-1]))
            users.append(following)
        if readers is not None and readers_mean is not None:
            users = [self._finish(readers_mean), *map(readers.to_users, items[:-1])]
        return normalize(torch.stack(users).mean(dim=0), dim=1), normalize(torch.stack(items).mean(dim=0), dim=1)

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor, allowed: Tensor) -> Tensor:
        """Return the mean sampled-softmax loss of pairs of a user and an item they interacted with.

        Args:
            users: User of each pair, shape (n,).
            positives: Item of each pair, shape (n,).
            negatives: Items shared by :data:`ROWS_SHARING_NEGATIVES` consecutive pairs, shape (n_groups, k).
            allowed: Which of its group's negatives are used for each pair, shape (n, k).
        """
        all_users, all_items = self.encode()
        vectors = embedding(users, all_users)
        wanted = (vectors * embedding(positives, all_items)).sum(dim=1, keepdim=True)
        groups = zip(torch.split(vectors, ROWS_SHARING_NEGATIVES), embedding(negatives, all_items), strict=True)
        unwanted = torch.cat([part @ items.T for part, items in groups])
        return sampled_softmax_loss(wanted / self.temperature, unwanted / self.temperature, allowed)

    def _finish(self, projected: Tensor) -> Tensor:
        """Return the map's output from that of its first layer, which is overwritten to save memory."""
        if self.last is None:
            return projected
        mapped: Tensor = self.last(leaky_relu(projected, inplace=True))
        return mapped


def sampled_softmax_loss(wanted: Tensor, unwanted: Tensor, allowed: Tensor) -> Tensor:
    """Return the mean cross-entropy of a positive logit (n, 1) against k negatives (n, k), of which some are allowed.

    The allowed negatives are weighted to count as k in total, as if each excluded one had been drawn again.
    """
    k = allowed.shape[1]
    weights = (k / allowed.sum(dim=1, keepdim=True).clamp(min=1)).log()
    logits = torch.cat([wanted, (unwanted + weights).masked_fill(~allowed, -torch.inf)], dim=1)
    return (logits.logsumexp(dim=1) - wanted[:, 0]).mean()
