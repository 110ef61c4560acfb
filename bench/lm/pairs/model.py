"""Score each (history, candidate) pair with a cross-encoder: an encoder with a pooler and a scorer on top.

The score is computed by a dense layer with GELU over the first token's last state (or the mean over all tokens), then
a linear layer (X-Cross, SIGIR '25, §3). Each user is one example: the loss is the softmax cross-entropy of the last
training item among negatives drawn by popularity, anew every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.files.hashing import derived_seed
from bench.learning.entropy import softmax_entropy
from bench.lm.adapters.adapter import Adapter, LoraRecipe
from bench.lm.adapters.apply import folded
from bench.lm.batching import length_buckets
from bench.lm.encoders.text_encoder import load_encoder
from bench.lm.language_model import ENTROPY_TOKENS, LanguageModel
from bench.lm.pairs.layers import LayerWalk, Pooling
from bench.lm.pairs.prompts import TITLE_WORDS, PairBatch, PairPrompts, mean_jaccard_distance
from bench.lm.precision import float32_products, full_width_float32, training_precision
from bench.plugin import ProgressHook, PromptReport, Queries, above, at_least, at_most, shrinks_to
from bench.progress import Steps, tell
from bench.protocol.candidates import TitleGroups
from bench.protocol.popular_negatives import popular_negatives

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.lm.backbones import Backbone

QUERIES_AT_ONCE = 32
"""Number of queries whose prompts are sorted by length together."""
TOKENS_AT_ONCE = {"cpu": 2048}
"""Tokens scored per batch: on a CPU as many as fit in its caches, on other devices more."""
TOKENS_ELSEWHERE = 65_536
DESCRIBED_USERS = 1000
"""Maximum number of users whose training prompts are described, because every two of them are compared."""

PairScorer = Callable[[PairBatch], Tensor]
"""Scores a batch's prompts, shape (n_prompts,)."""


@dataclass(frozen=True)
class PairRecipe(LoraRecipe):
    """How an adapter of a cross-encoder is trained with its pooler and scorer."""

    learning_rate: float = field(default=5e-4, metadata=above(0) | at_most(1))
    """Peak learning rate of AdamW (X-Cross: 5e-5)."""
    epochs: int = field(default=40, metadata=at_least(1))
    """Maximum passes over the examples (X-Cross: 40)."""
    batch_size: int = field(default=4, metadata=at_least(1))
    """Users per step, each with all candidates (X-Cross: 1)."""
    max_examples: int = field(default=0, metadata=shrinks_to("examples") | at_least(0))
    """Users per epoch, a seeded sample with the same number from each domain; 0 uses all (X-Cross)."""
    max_history: int = field(default=15, metadata=at_least(0))
    """Number of most recent history items used in training and scoring; 0 uses all."""
    max_tokens: int = field(default=128, metadata=at_least(1))
    """Maximum tokens per prompt; the oldest titles are dropped first, a candidate never (X-Cross: 512)."""
    n_negatives: int = field(default=29, metadata=at_least(1))
    """Negatives per training example, drawn by popularity, anew every epoch."""
    pooling: Pooling = field(default="first", metadata={"neutral": True})
    """Which state of a prompt is scored: its first token's last state (X-Cross), or the mean over all its tokens."""


@dataclass(frozen=True, eq=False)
class PairExamples:
    """Training prompts of several users; each user's positive comes first."""

    batch: PairBatch
    n_users: int


class PairHead(nn.Module):
    """Pooler (a dense layer with GELU) and scorer (linear) over a prompt's vector: d·d + d and d + 1 parameters.

    It is always computed in float32, because scores within a query differ by less than bfloat16 can represent.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.pooler = nn.Linear(dimension, dimension)
        self.scorer = nn.Linear(dimension, 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return one score per prompt from vectors of shape (n_prompts, d)."""
        with float32_products(vectors.device):
            scores: Tensor = self.scorer(nn.functional.gelu(self.pooler(vectors.float())))
        return scores.squeeze(-1)


class PairLanguageModel(LanguageModel):
    """A cross-encoder whose encoder is frozen except for adapters; the head belongs to the adapter in use."""

    defaults: ClassVar = {"dropout": 0.05, "adapted_layers": 0}
    objective = f"pairs, titles of {TITLE_WORDS} words, the last training item among popular negatives"
    adapted_layers = ("query", "value", "query_proj", "value_proj")
    head: PairHead

    def __init__(self, backbone: Backbone, device: str = "cpu", recipe: PairRecipe | None = None) -> None:
        recipe = recipe or PairRecipe()
        self.backbone, self.device = backbone, device
        self.tokenizer, encoder = load_encoder(backbone, device)
        self.model: nn.Module = encoder
        self.walk = LayerWalk(self.model, recipe.pooling)
        limit = min(recipe.max_tokens, int(encoder.config.max_position_embeddings))
        self.prompts = PairPrompts(self.tokenizer, limit, recipe.max_history)
        self.dimension = int(encoder.config.hidden_size)
        self.head = self.new_head(0)

    def new_head(self, seed: int) -> PairHead:
        """Install and return a freshly initialized pooler and scorer, the same for equal seeds."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, "pair-head"))
            self.head = PairHead(self.dimension).to(self.device)
        return self.head

    @property
    def max_history(self) -> int:
        """Number of most recent history items in a prompt."""
        return self.prompts.max_history

    @max_history.setter
    def max_history(self, n_items: int) -> None:
        self.prompts.max_history = n_items

    @contextmanager
    def using(self, adapter: Adapter) -> Iterator[None]:
        """Use an adapter, folded into the encoder, and its head while the block runs."""
        before, self.head = self.head, self.head_of(adapter)
        try:
            with folded(self.model, adapter):
                yield
        finally:
            self.head = before

    def head_of(self, adapter: Adapter) -> PairHead:
        """Return a copy of the head that was trained with an adapter."""
        head = PairHead(self.dimension)
        head.load_state_dict(dict(adapter.head))
        return head.to(self.device)

    def facts(self) -> dict[str, Any]:
        """Return how a pair is scored."""
        return {
            "scored_by": "pooler and scorer over each pair",
            "pooling": self.walk.pooling,
            "max_tokens": self.prompts.max_tokens,
        }

    def batches(
        self, domains: Sequence[Domain], recipe: LoraRecipe, rng: np.random.Generator
    ) -> Iterator[tuple[PairExamples, int]]:
        """Yield batches of one domain each, the domains interleaved at random, users with similar prompts together."""
        plan = [planned for domain in domains for planned in self._planned(domain, recipe, rng)]
        for index in rng.permutation(len(plan)):
            domain, users, negatives = plan[index]
            yield self.examples(domain, users, negatives), len(users)

    def count_examples(self, domains: Sequence[Domain], recipe: LoraRecipe) -> int:
        """Return the number of users per epoch."""
        counts = [len(learnable_users(domain, n_negatives(recipe))) for domain in domains]
        return sum(min(count, recipe.max_examples) if recipe.max_examples else count for count in counts)

    def examples(self, domain: Domain, users: NDArray[np.int64], negatives: NDArray[np.int32]) -> PairExamples:
        """Build each user's example: the last item, then its negatives, each after all items before the last."""
        prompts = []
        for user, wrong in zip(users, negatives, strict=True):
            history = domain.history(int(user))
            prompts += self.prompts.prompts(domain, history[:-1], np.append(history[-1:], wrong))
        return PairExamples(PairBatch.of(prompts, self.device), len(users))

    def training_prompts(self, domain: Domain, n_negatives: int) -> PromptReport:
        """Return statistics of the positive prompts that a domain's users train on.

        Length and diversity are those of a fixed sample of at most :data:`DESCRIBED_USERS` users.
        """
        users = learnable_users(domain, n_negatives)
        sample = np.random.default_rng(0).permutation(users)[:DESCRIBED_USERS]
        histories = [domain.history(int(user)) for user in sample]
        prompts = [self.prompts.prompts(domain, history[:-1], history[-1:])[0] for history in histories]
        return PromptReport(
            n_users=len(users),
            mean_tokens=round(float(np.mean([len(prompt) for prompt in prompts])), 3),
            diversity=round(mean_jaccard_distance(prompts), 6),
        )

    def loss(self, batch: PairExamples) -> Tensor:
        """Return the cross-entropy of each user's positive among its candidates, averaged over users."""
        return candidates_loss(self.pair_scores(batch.batch), batch.n_users)

    def pair_scores(self, batch: PairBatch) -> Tensor:
        """Return the scores of prompts, shape (n_prompts,)."""
        return self.head(self.walk.pooled(batch)[0])  # type: ignore[no-any-return]

    def score(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return one score per candidate, shape (n, n_candidates)."""
        return self.score_by(self.pair_scores, domain, queries, progress)

    def scores_in_training(self, domain: Domain, queries: Queries, progress: ProgressHook) -> NDArray[np.float32]:
        """Return the scores with the adapter in training, in the number format used for training."""
        return self.score_by(self.pair_scores, domain, queries, progress, quick=True)

    def score_by(
        self, scorer: PairScorer, domain: Domain, queries: Queries, progress: ProgressHook, *, quick: bool = False
    ) -> NDArray[np.float32]:
        """Return the scores that a given pair scorer computes, shape (n, n_candidates).

        ``quick``, for validation during training, uses the number format in which the device trains; otherwise it is
        float32.
        """
        scores = np.empty(queries.candidates.shape, dtype=np.float32)
        with torch.no_grad(), training_precision(self.device) if quick else full_width_float32(self.model):
            for start in range(0, len(queries), QUERIES_AT_ONCE):
                rows = np.arange(start, min(start + QUERIES_AT_ONCE, len(queries)))
                scores[rows] = self._scores_of(scorer, domain, queries, rows)
                tell(progress, Steps("scoring", len(rows) + start, len(queries), "queries"))
        return scores

    def entropy(
        self,
        domain: Domain,
        queries: Queries,
        temperature: float | Tensor | None = None,
        n_tokens: int = ENTROPY_TOKENS,
    ) -> Tensor:
        """Return the mean entropy of the softmax over each query's candidates."""
        prompts = [
            prompt
            for row in range(len(queries))
            for prompt in self.prompts.prompts(domain, queries.history(row), queries.candidates[row])
        ]
        scores = self.pair_scores(PairBatch.of(prompts, self.device)).view(len(queries), -1)
        return softmax_entropy(scores, temperature).mean()

    def _scores_of(
        self, scorer: PairScorer, domain: Domain, queries: Queries, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        prompts = [
            prompt
            for row in rows
            for prompt in self.prompts.prompts(domain, queries.history(row), queries.candidates[row])
        ]
        scores = np.empty(len(prompts), dtype=np.float32)
        at_once = TOKENS_AT_ONCE.get(torch.device(self.device).type, TOKENS_ELSEWHERE)
        for together in length_buckets([len(prompt) for prompt in prompts], at_once):
            batch = PairBatch.of([prompts[row] for row in together], self.device)
            scores[together] = scorer(batch).float().cpu().numpy()
        return scores.reshape(len(rows), -1)

    def _planned(
        self, domain: Domain, recipe: LoraRecipe, rng: np.random.Generator
    ) -> list[tuple[Domain, NDArray[np.int64], NDArray[np.int32]]]:
        """Sample users, draw their negatives, and split them into batches, sorted by the length of their prompts."""
        n = n_negatives(recipe)
        users = rng.permutation(learnable_users(domain, n))[: recipe.max_examples or None]
        if not len(users):
            return []
        lengths = [len(self.prompts.prefix(domain, domain.history(int(user))[:-1])) for user in users]
        users = users[np.argsort(lengths, kind="stable")]
        negatives = popular_negatives(domain, users, rng, n)
        size = recipe.batch_size or 1
        cuts = range(0, len(users), size)
        return [(domain, users[cut : cut + size], negatives[cut : cut + size]) for cut in cuts]


def candidates_loss(scores: Tensor, n_users: int) -> Tensor:
    """Return the cross-entropy of each user's first candidate, a scalar; scores are ordered by user."""
    by_user = scores.view(n_users, -1)
    return nn.functional.cross_entropy(by_user, torch.zeros(n_users, dtype=torch.long, device=scores.device))


def n_negatives(recipe: LoraRecipe) -> int:
    """Return the number of negatives per training example."""
    return recipe.n_negatives if isinstance(recipe, PairRecipe) else PairRecipe.n_negatives


def learnable_users(domain: Domain, n_negatives: int) -> NDArray[np.int64]:
    """Return the users with a history before their last item and enough other trained titles."""
    lengths = np.diff(domain.indptr)
    groups = TitleGroups.of(domain)
    n_titles = len(np.unique(groups.group[groups.eligible & (domain.item_counts() > 0)]))
    users: NDArray[np.int64] = np.flatnonzero((lengths > 1) & (n_titles - lengths >= n_negatives))
    return users
