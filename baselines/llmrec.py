"""LLM-Rec: one text encoder for users and items, trained to tell a user's next item from others of its domain.

A user's text is the titles of the last items joined by ``"; "``, and an item's text is its title; a score is the dot
product of the two vectors. It is trained on the target mixed with all source domains, or only on the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from bench.baselines.text_encoders.shared import (
    ARTIFACT_KIND,
    Examples,
    PooledEncoder,
    Rows,
    TextParams,
    TitledDomains,
    dot_scores,
    draw_examples,
    encode_by_length,
    encoder_backbone,
    encoder_key,
    framing,
    most_tokens,
    optimizer,
    recent_histories,
)
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.learning.epochs import Resumable, TrainingRecord, train_until_no_better
from bench.learning.sequences import bucketed_batches
from bench.learning.stored import trained_once
from bench.learning.training import descend, seeded, stopping_score, validation_sample
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.encoders.text_encoder import load_encoder
from bench.lm.training.attachment import attached
from bench.plugin import FitReport, Queries, Recommender, Task, at_least, below, shrinks_to
from bench.progress import prefixed
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint

SEPARATOR = ";"


class Texts:
    """The token ids of users' and items' texts."""

    def __init__(self, domains: TitledDomains, tokenizer: Any, encoder: torch.nn.Module) -> None:
        self._titles = domains.tokens
        self._before, self._after = framing(tokenizer)
        self._separator: list[int] = tokenizer(SEPARATOR, add_special_tokens=False)["input_ids"]
        self._room = most_tokens(tokenizer, encoder) - len(self._after)
        self._padding = tokenizer.pad_token_id or 0

    def joined(self, items: Sequence[int] | Rows) -> list[int]:
        """Return the text of the items' titles in the given order; items without a title are skipped."""
        ids = list(self._before)
        for title in (self._titles[item] for item in items if self._titles[item]):
            ids += [*self._separator, *title] if len(ids) > len(self._before) else title
        return [*ids[: self._room], *self._after]

    def padded(self, texts: Sequence[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
        """Return token ids padded on the right and a mask of the real ones, both (n, width)."""
        lengths = np.array([len(text) for text in texts])
        real = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(real.shape, self._padding, dtype=np.int64)
        ids[real] = np.concatenate(texts)
        return torch.from_numpy(ids).to(device), torch.from_numpy(real).to(device)


class TextVectors(PooledEncoder):
    """The encoder with its pooling: one vector per text, not scaled to unit length."""

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        """Return the vectors, (n, dimension)."""
        return self.pool(self.states(ids, real), real)


@dataclass(frozen=True, eq=False)
class Batch:
    """Histories of one domain and the batch's distinct items, whose titles are each encoded once."""

    histories: list[Rows]
    """Items of each history, oldest first."""
    items: Rows
    """Distinct items, (n_distinct,)."""
    columns: NDArray[np.int64]
    """Columns of ``items``: the positive of each history, then its negatives, (n, 1 + n_negatives)."""
    allowed: NDArray[np.bool_]
    """Whether each column is used; false if the pool had too few items the user has not interacted with."""


@register(
    "llmrec",
    title="LLM-Rec",
    family="transferable",
    paper="Tang et al. 2023, arXiv 2310.14304",
    needs_titles=True,
    needs_sources=True,
    runs_on="text-encoder",
    cold_rule="title text",
    ranks_catalogue=True,
)
class LlmRec(Recommender):
    """One text encoder for users and items of all domains."""

    @dataclass(frozen=True)
    class Params(TextParams):
        """Hyper-parameters of LLM-Rec; the default sizes allow training on a CPU."""

        max_examples: int = field(default=8_000, metadata=shrinks_to("examples") | at_least(1))
        """Training histories per epoch, one per sampled user and equally many per domain (the paper: all users)."""
        warm_up_steps: int = field(default=1, metadata=at_least(0))
        """Warm-up steps of the learning rate (the paper: a thousandth of all steps)."""
        weight_decay: float = field(default=1e-3, metadata=at_least(0))
        """AdamW's weight decay."""
        domains: Literal["all", "target"] = "all"
        """Whether to train on the source datasets together with the target."""
        n_negatives: int = field(default=10, metadata=at_least(1))
        """Negatives per history, drawn from items of the same domain that the user has not interacted with."""
        negative_pool: int = field(default=64, metadata=at_least(1))
        """Size of a batch's pool of negatives, each encoded once (the paper: separate draws per user)."""
        lora_rank: int = field(default=0, metadata=at_least(0))
        """Rank of LoRA factors (the paper: 16); 0 trains all weights."""
        lora_alpha: int = field(default=16, metadata=at_least(1))
        """LoRA's alpha: its scaling times its rank."""
        lora_dropout: float = field(default=0.05, metadata=at_least(0) | below(1))
        """Dropout rate of LoRA."""

    def fit(self, task: Task) -> None:
        """Train the encoder on the domains or load its weights."""
        if self.params.domains == "all" and not task.sources:
            raise BenchError(
                "LLM-Rec trains on the target and source datasets: give --source-datasets A,B or -p domains=target."
            )
        backbone = encoder_backbone(task, "llmrec")
        sources = task.sources if self.params.domains == "all" else ()
        ordered = sorted(sources, key=lambda domain: domain.content_hash)
        self.progress, self.n_domains = task.progress, 1 + len(sources)
        with seeded(derived_seed(task.seed, "llmrec")):
            tokenizer, encoder = load_encoder(backbone, task.device)
            self.domains = TitledDomains([task.target, *ordered], tokenizer, self.params.title_tokens)
            self.texts = Texts(self.domains, tokenizer, encoder)
            self.model = TextVectors(encoder, self.params)
            key = encoder_key(self, task, backbone, sources)
            self.record = trained_once(task.artifacts, ARTIFACT_KIND, key, self.model, partial(self._trained, task))

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return dot products of users' and candidates' vectors, shape (n, n_candidates)."""
        histories = self.vectors(
            [self.texts.joined(items) for items in recent_histories(queries, self.params.max_history)]
        )
        needed = queries.distinct_candidates()
        vectors = self.vectors([self.texts.joined([item]) for item in needed])
        items = torch.from_numpy(needed.astype(np.int64)).to(vectors.device)
        titled = torch.from_numpy(self.domains.titled[needed]).to(vectors.device)
        table = vectors.new_zeros(int(needed[-1]) + 1, vectors.shape[1])
        table[items] = vectors * titled[:, None]
        return dot_scores(histories, table, queries)

    def report(self) -> FitReport:
        """Return the size of the model and its training log."""
        return FitReport(
            trained_parameters=sum(weights.numel() for weights in self.model.parameters()),
            training=self.record.report(),
            extra={"trained_domains": self.n_domains},
        )

    def vectors(self, texts: Sequence[list[int]]) -> Tensor:
        """Return the vector of each text, (n, dimension), without gradients."""
        self.model.eval()

        def encode(rows: Rows) -> Tensor:
            vectors: Tensor = self.model(*self.texts.padded([texts[row] for row in rows], self.model.device))
            return vectors

        return encode_by_length([len(text) for text in texts], encode, self.progress)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of one epoch, each from one domain, in random order."""
        examples = draw_examples(self.domains, self.params.max_examples, self.params.max_history, rng)
        lengths, of_domain = examples.ends - examples.starts, self.domains.user_domain[examples.users]
        plan = []
        for domain in range(self.n_domains):
            own = np.flatnonzero(of_domain == domain)
            plan += [(domain, own[rows]) for rows in bucketed_batches(lengths[own], self.params.batch_size, rng)]
        trained = [self.domains.trained_items(domain) for domain in range(self.n_domains)]
        for at in rng.permutation(len(plan)):
            domain, rows = plan[at]
            yield self._batch(examples, rows, trained[domain], rng)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the positives against their negatives."""
        device = self.model.device
        users = self.model(*self.texts.padded([self.texts.joined(items) for items in batch.histories], device))
        items = self.model(*self.texts.padded([self.texts.joined([item]) for item in batch.items], device))
        scores = (users @ items.T).gather(1, torch.from_numpy(batch.columns).to(device))
        return choice_loss(scores, torch.from_numpy(batch.allowed).to(device))

    def _batch(self, examples: Examples, rows: Rows, trained: Rows, rng: np.random.Generator) -> Batch:
        """Draw a pool of items with training interactions, and each user's negatives from it."""
        domains, n_negatives = self.domains, min(self.params.n_negatives, len(trained))
        pool = rng.choice(trained, size=min(max(self.params.negative_pool, n_negatives), len(trained)), replace=False)
        positives = domains.items[examples.ends[rows]]
        untouched = np.stack([~np.isin(pool, domains.history(user)) for user in examples.users[rows]])
        order = np.argsort(np.where(untouched, rng.random(untouched.shape), np.inf), axis=1)[:, :n_negatives]
        items, columns = np.unique(np.concatenate([positives, pool]), return_inverse=True)
        chosen = np.concatenate([columns[: len(rows), None], columns[len(rows) :][order]], axis=1)
        allowed = np.concatenate(
            [np.ones((len(rows), 1), dtype=bool), np.take_along_axis(untouched, order, axis=1)], axis=1
        )
        return Batch([domains.items[examples.starts[row] : examples.ends[row]] for row in rows], items, chosen, allowed)

    def _trained(self, task: Task, checkpoint: Checkpoint) -> TrainingRecord:
        """Train all weights, or LoRA factors that are then added to the weights."""
        params, seed = self.params, derived_seed(task.seed, "llmrec", "examples")
        rng = np.random.default_rng(seed)
        queries, answers = validation_sample(task, params.validation_queries)
        recipe = LoraRecipe(rank=max(1, params.lora_rank), alpha=params.lora_alpha, dropout=params.lora_dropout)
        with ExitStack() as adapted:
            factors = adapted.enter_context(attached(self.model.encoder, recipe, seed)) if params.lora_rank else {}
            if not factors:
                self.model.make_trainable(freeze_words=params.freeze_words)
            adam = optimizer(self.model, params)
            record = train_until_no_better(
                self.model,
                lambda: descend(self.model, adam, (self.loss(batch) for batch in self.batches(rng))),
                lambda: stopping_score(self.score(queries), answers),
                params.epochs,
                params.patience,
                prefixed(task.progress, f"LLM-Rec on {task.target.name}, "),
                Resumable(checkpoint, adam, rng),
            )
            updates = {name: (b @ a).detach() * recipe.alpha / recipe.rank for name, (a, b) in factors.items()}
        for name, update in updates.items():
            self.model.encoder.get_parameter(f"{name}.weight").data.add_(update)
        return record

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        params = self.params
        return (
            f"titles are cut to {params.title_tokens} tokens (the paper: 40) "
            f"and histories to {params.max_history} items (10)",
            f"an epoch is a sample of at most {params.max_examples} users, the same number per domain (all users), "
            f"and {params.validation_queries} validation queries choose the best one",
            f"the negatives of a batch of {params.batch_size} histories come from {params.negative_pool} items and "
            "exclude the user's own (the code draws separately per user and does not exclude them)",
            f"pooling is {params.pooling} (the paper: the first token's state for BERT)",
            f"the encoder's dropout is {params.dropout} (0.1)",
            "early stopping uses NDCG@3 on the fixed candidates (Recall@1 on a tenth of the validation part)",
        )


def choice_loss(scores: Tensor, allowed: Tensor) -> Tensor:
    """Return the mean cross-entropy of the first column of (n, 1 + n_negatives) scores over the allowed columns."""
    targets = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
    return cross_entropy(scores.masked_fill(~allowed, -torch.inf), targets)
