"""MCRPL: shared and domain-specific prompts, learned from the item ids of several domains.

Paper: Liu et al. 2024, arXiv 2401.08228 (domains without common users, several sources for one target). At each
position of a history an item vector ``x`` (id plus position) is mixed with two shared and two domain prompts::

    weights = softmax over c of MLP([c; x]),   c = the four prompts and x itself
    mixed   = Σ_c weight_c · c

One causal transformer block reads the mixed vectors, and a class head predicts the next item. Stage 1 trains on all
domains. Stage 2 trains only on the target, with logits masked to the target's ids and a penalty that keeps the target's
prompts orthogonal to the shared ones.

The domains' ids form one space, starting with the target's. Each domain has its own table, so a batch of one domain
only updates, and only costs, that domain's rows; masking to one domain's ids means using only its table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from bench.baselines.networks.mcrpl import Network, Packed, orthogonality_penalty
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding

from bench.files.hashing import derived_seed
from bench.learning.cross_entropy import linear_cross_entropy
from bench.learning.dot_scores import candidate_dots
from bench.learning.epochs import Resumable, TrainingRecord, train_until_no_better
from bench.learning.keys import training_key
from bench.learning.params import TrainingParams
from bench.learning.sequences import Rows, last_stretches, ordered_batches, random_batches, windows
from bench.learning.stored import trained_once
from bench.learning.training import descend, keep_rows, seeded, stopping_score
from bench.plugin import FitReport, Queries, Recommender, Task, at_least, below
from bench.progress import prefixed
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint

TARGET = 0
"""Index of the target among the domains; the sources follow in the task's order."""
SAMPLED_CLASSES = 1024
"""Items drawn for the sampled softmax of a source batch, in addition to the batch's targets."""
QUERIES_AT_ONCE = 512
Stage = Literal["all domains", "target"]


@register(
    "mcrpl",
    title="MCRPL",
    family="transferable",
    paper="Liu et al. 2024",
    needs_sources=True,
    cold_rule="its initial vector, which is not trained and not part of the softmax; trained outputs are centered",
    ranks_catalogue=True,
    extras=("lm",),
)
class MCRPL(Recommender):
    """Prompt learning over item ids, first on all domains, then on the target."""

    @dataclass(frozen=True)
    class Params(TrainingParams):
        """Hyper-parameters of MCRPL."""

        dimensions: int = field(default=100, metadata=at_least(1))
        """Size of item vectors and prompts."""
        inner_dimensions: int = field(default=2048, metadata=at_least(1))
        """Size of the feed-forward layer."""
        dropout: float = field(default=0.25, metadata=at_least(0) | below(1))
        """Dropout rate of item vectors."""
        softmax: Literal["sampled", "domain", "all"] = "sampled"
        """Classes of stage 1: the batch's domain (sampled for sources), the domain, or all domains (the paper)."""
        source_epochs: int = field(default=10, metadata=at_least(0))
        """Maximum number of epochs of stage 1, on all domains (the paper: 50, with one example per user)."""
        epochs: int = field(default=30, metadata=at_least(1))
        """Maximum number of epochs of stage 2, on the target."""
        orthogonality: Literal["clean", "coded"] = "clean"
        """Penalty on the cosines of target and shared prompts, or that of the authors' code, which has no effect."""
        trains: Literal["everything", "prompts"] = "everything"
        """What stage 2 trains: everything (the authors' code), or only the target's prompts (the paper)."""
        penalty: float = field(default=0.002, metadata=at_least(0))
        """Weight of the orthogonality penalty in stage 2."""

    def fit(self, task: Task) -> None:
        """Train both stages or load the weights of identical trainings."""
        self.device = task.device
        self.domains = (task.target, *task.sources)
        self.sequences = [windows(domain, self.params.max_length) for domain in self.domains]
        self.classes = [np.flatnonzero(domain.item_counts()).astype(np.int64) for domain in self.domains]
        with seeded(derived_seed(task.seed, "mcrpl")):
            sizes = [domain.n_items for domain in self.domains]
            params = self.params
            self.model = Network(
                sizes, params.dimensions, params.inner_dimensions, params.max_length, params.dropout
            ).to(task.device)
        everything = range(len(self.domains))
        first = self._key(task)
        self.records: dict[Stage, TrainingRecord] = {}
        self.records["all domains"] = self._learned(task, "all domains", everything, self.params.source_epochs, first)
        second = {"stage 1": first, "params": asdict(self.params)}
        self.records["target"] = self._learned(task, "target", (TARGET,), self.params.epochs, second)

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return the centered logits of all candidates, shape (n, n_candidates)."""
        histories = last_stretches(queries.history_indptr, queries.history_items, queries.users, self.params.max_length)
        scores = np.zeros(queries.candidates.shape, dtype=np.float32)
        known = np.flatnonzero(histories.lengths)
        self.model.eval()
        with torch.no_grad():
            table = self._centered_classes()
            for part in ordered_batches(histories.lengths[known], QUERIES_AT_ONCE):
                batch = Packed.of(histories, known[part])
                vectors = self._encoded(TARGET, batch)[self._tensor(np.cumsum(batch.lengths) - 1)]
                scores[batch.rows] = candidate_dots(vectors, table, queries, batch.rows).cpu().numpy()
        return scores

    def report(self) -> FitReport:
        """Return the model's size, both training logs and the domains' sizes."""
        names = [domain.name for domain in self.domains]
        return FitReport(
            trained_parameters=sum(weights.numel() for weights in self.model.parameters()),
            training=self.records["target"].report(),
            stages={"all domains": self.records["all domains"].report(names)},
            extra={"items": {domain.name: domain.n_items for domain in self.domains}},
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "Every prefix of a training history is an example, not one per user; 10 epochs of stage 1 then have about "
            "as many examples as the paper's 50.",
            "The softmax of stage 1 is over the items of the batch's own domain, for sources over a sample of them "
            "(softmax=all: over the items of all domains).",
            "Each batch is from one domain; Adam does not update the tables of other domains in that step.",
            "Histories have up to 50 items, not 15, and an item's position is counted from the start of the history.",
            "The penalty compares prompts with prompts (orthogonality=coded: as in the authors' code).",
            "Both stages keep their best epoch by NDCG@3 on the target's fixed validation candidates.",
            "Stage 2 trains everything, as in the authors' code (trains=prompts: only the target's prompts, as in the "
            "paper).",
            "The class head has no bias and the layer norms have no weights, as those in the code are never trained.",
        )

    def losses(self, stage: Stage, domains: Sequence[int], rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield the loss of each batch of one epoch, the domains' batches in random order."""
        plan = [
            (domain, rows)
            for domain in domains
            for rows in random_batches(len(self.sequences[domain]), self.params.batch_size, rng)
        ]
        for index in rng.permutation(len(plan)):
            domain, rows = plan[index]
            yield self.loss(stage, domain, rows, rng)

    def loss(self, stage: Stage, domain: int, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Return the mean cross-entropy over all positions of a domain's sequences, plus the penalty in stage 2."""
        batch = Packed.of(self.sequences[domain], rows)
        answers = self.sequences[domain].items[batch.at + 1].astype(np.int64)
        classes, weight = self._softmax(stage, domain, answers, rng)
        targets = self._tensor(np.searchsorted(classes, answers + self._offset(domain, stage)))
        loss = linear_cross_entropy(self._encoded(domain, batch), embedding(self._tensor(classes), weight), targets)
        if stage == "all domains":
            return loss
        specific, shared = self.model.specific[TARGET], self.model.shared
        penalty = orthogonality_penalty(specific, shared, self.params.orthogonality)
        return loss.add(penalty, alpha=self.params.penalty)

    def _centered_classes(self) -> Tensor:
        """Return the target's class vectors, with the mean of the trained ones subtracted from these.

        A softmax is invariant to a vector added to all of its classes, but training drifts along this direction:
        trained logits decrease, so an untrained item would rank high only because it was never trained.
        """
        table: Tensor = self.model.classes[TARGET].detach().clone()
        trained = self._tensor(self.classes[TARGET])
        table[trained] -= table[trained].mean(dim=0)
        return table

    def _softmax(
        self, stage: Stage, domain: int, answers: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], Tensor]:
        """Return the sorted classes of a batch's softmax, all with interactions, and the table they index."""
        if self._over_all(stage):
            offsets = [self._offset(each, stage) for each in range(len(self.domains))]
            ids = [classes + offset for classes, offset in zip(self.classes, offsets, strict=True)]
            return np.concatenate(ids), torch.cat(list(self.model.classes))
        classes = self.classes[domain]
        if self.params.softmax == "sampled" and domain != TARGET:
            classes = np.union1d(answers, rng.choice(classes, min(SAMPLED_CLASSES, len(classes)), replace=False))
        return classes, self.model.classes[domain]

    def _offset(self, domain: int, stage: Stage) -> int:
        """Return the first id of a domain in the table of its softmax."""
        return sum(each.n_items for each in self.domains[:domain]) if self._over_all(stage) else 0

    def _over_all(self, stage: Stage) -> bool:
        return self.params.softmax == "all" and stage == "all domains"

    def _encoded(self, domain: int, batch: Packed) -> Tensor:
        vectors: Tensor = self.model.encode(domain, self._tensor(batch.items), batch.lengths)
        return vectors

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array.astype(np.int64)).to(self.device)

    def _learned(
        self, task: Task, stage: Stage, domains: Sequence[int], epochs: int, key: dict[str, Any]
    ) -> TrainingRecord:
        """Train one stage or load it; its dropout does not depend on whether the previous stage was loaded."""
        with seeded(derived_seed(task.seed, "mcrpl", stage)):
            return trained_once(
                task.artifacts, "models", key, self.model, partial(self._train, task, stage, domains, epochs)
            )

    def _train(
        self, task: Task, stage: Stage, domains: Sequence[int], epochs: int, checkpoint: Checkpoint
    ) -> TrainingRecord:
        rng = np.random.default_rng(derived_seed(task.seed, "batches", "mcrpl", stage))
        only_prompts = stage == "target" and self.params.trains == "prompts"
        trained = [self.model.specific[TARGET]] if only_prompts else list(self.model.parameters())
        self.model.requires_grad_(not only_prompts)
        self.model.specific[TARGET].requires_grad_(True)
        optimizer = torch.optim.Adam(
            trained,
            self.params.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=self.params.weight_decay,
            fused=True,
        )
        cold = self._tensor(np.flatnonzero(task.target.item_counts() == 0))
        for table in (self.model.items[TARGET], self.model.classes[TARGET]):
            keep_rows(optimizer, table, cold)
        return train_until_no_better(
            self.model,
            lambda: descend(self.model, optimizer, self.losses(stage, domains, rng)),
            lambda: stopping_score(self.score(task.validation), task.validation_answers),
            epochs,
            self.params.patience,
            prefixed(task.progress, f"MCRPL on {stage}, ", f"{stage}, "),
            Resumable(checkpoint, optimizer, rng),
        )

    def _key(self, task: Task) -> dict[str, Any]:
        """Return everything that determines the weights of stage 1."""
        of_stage_2 = ("epochs", "orthogonality", "trains", "penalty")
        params = {name: value for name, value in asdict(self.params).items() if name not in of_stage_2}
        return training_key(self, task, params, sources=[domain.content_hash for domain in task.sources])
