"""Code shared by recommenders that train a text encoder: title tokens, examples, pooling, optimizer, keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.errors import BenchError
from bench.learning.dot_scores import candidate_dots
from bench.learning.keys import training_key
from bench.learning.training import clip_gradients, schedule_step_size
from bench.lm.batching import length_batches
from bench.lm.loading import task_backbone
from bench.lm.precision import training_dtype
from bench.plugin import ProgressHook, Queries, Recommender, Task, above, at_least, at_most, below, shrinks_to
from bench.progress import Steps, tell

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.lm.backbones import Backbone

ARTIFACT_KIND = "models"
QUERIES_SCORED_AT_ONCE = 2048
UNUSED = "pooler"
"""A layer of BERT-type encoders that neither kind of pooling uses."""

Pooling = Literal["mean", "cls"]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TextParams:
    """Parameters shared by all recommenders that train a text encoder."""

    pooling: Pooling = "mean"
    """Pooling of a text's token states: the mean, or the first token (the paper: ``cls``)."""
    title_tokens: int = field(default=12, metadata=at_least(1))
    """Maximum title length in tokens."""
    max_history: int = field(default=8, metadata=at_least(1))
    """Maximum history length, counted from its end (RecFormer: 50, LLM-Rec: 10)."""
    max_examples: int = field(default=6_000, metadata=shrinks_to("examples") | at_least(1))
    """Training histories per epoch, one per sampled user (the paper: all users)."""
    epochs: int = field(default=100, metadata=at_least(1))
    """Maximum number of epochs."""
    patience: int = field(default=5, metadata=at_least(1))
    """Epochs without improvement of validation NDCG@3 before training stops."""
    learning_rate: float = field(default=5e-5, metadata=above(0) | at_most(1))
    """Peak learning rate of AdamW."""
    warm_up_steps: int = field(default=100, metadata=at_least(0))
    """Warm-up steps of the learning rate."""
    weight_decay: float = field(default=0.0, metadata=at_least(0))
    """AdamW's weight decay."""
    batch_size: int = field(default=32, metadata=at_least(1))
    """Histories per batch."""
    dropout: float = field(default=0.0, metadata=at_least(0) | below(1))
    """Dropout rate of the encoder (the paper: 0.1; drawing masks is slow on a CPU)."""
    freeze_words: bool = True
    """Whether the encoder's word embeddings are frozen."""
    validation_queries: int = field(default=1_000, metadata=shrinks_to("validation") | at_least(0))
    """Number of validation queries (a random sample) for choosing the best epoch; 0 uses all."""


def encoder_backbone(task: Task, method: str) -> Backbone:
    """Return the task's backbone; raise BenchError if it is not an encoder."""
    backbone = task_backbone(task)
    if backbone.kind != "encoder":
        raise BenchError(
            f"Backbone '{backbone.name}' is not an encoder; {method} needs one, such as --backbone minilm."
        )
    return backbone


class TitledDomains:
    """Several domains as one: users and items are numbered consecutively, starting with the first domain."""

    def __init__(self, domains: Sequence[Domain], tokenizer: Any, title_tokens: int) -> None:
        first_items = np.cumsum([0, *(domain.n_items for domain in domains)])
        lengths = np.concatenate([np.diff(domain.indptr) for domain in domains])
        self.indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.items = np.concatenate(
            [domain.items.astype(np.int64) + first for domain, first in zip(domains, first_items[:-1], strict=True)]
        )
        self.user_domain = np.repeat(np.arange(len(domains)), [domain.n_users for domain in domains])
        self.item_domain = np.repeat(np.arange(len(domains)), [domain.n_items for domain in domains])
        titles = [title for domain in domains for title in domain.titles]
        encoded = tokenizer(titles, add_special_tokens=False, truncation=True, max_length=title_tokens)
        self.tokens: list[list[int]] = encoded["input_ids"]
        self.words: list[list[int]] = [
            [int(word) for word in encoded.word_ids(item)] if tokenizer.is_fast else list(range(len(ids)))
            for item, ids in enumerate(self.tokens)
        ]
        self.titled: NDArray[np.bool_] = np.array([bool(ids) for ids in self.tokens])
        self.trained = (np.bincount(self.items, minlength=len(titles)) > 0) & self.titled

    def history(self, user: int) -> Rows:
        """Return all of a user's items, oldest first."""
        history: Rows = self.items[self.indptr[user] : self.indptr[user + 1]]
        return history

    def trained_items(self, domain: int) -> Rows:
        """Return the items of one domain that have a title and interactions."""
        return np.flatnonzero(self.trained & (self.item_domain == domain))


@dataclass(frozen=True, eq=False)
class Examples:
    """Histories and their next items, as positions in the items of :class:`TitledDomains`."""

    users: Rows
    """User of each example."""
    starts: Rows
    """Start of the part of the history that is used."""
    ends: Rows
    """Its end; the item at this position is the target."""

    def __len__(self) -> int:
        return len(self.users)


def draw_examples(
    domains: TitledDomains, n_examples: int, max_history: int, rng: np.random.Generator, *, second_half: bool = False
) -> Examples:
    """Draw one random target per randomly chosen user, with the same number of users from every domain.

    ``second_half`` draws targets only from the second half of a history. Users whose drawn target has no title are
    left out.
    """
    lengths = np.diff(domains.indptr)
    n_domains = int(domains.user_domain.max(initial=0)) + 1
    share = max(1, n_examples // n_domains)
    able = [np.flatnonzero((lengths > 1) & (domains.user_domain == domain)) for domain in range(n_domains)]
    users = np.concatenate([rng.permutation(each)[:share] for each in able])
    earliest = np.maximum(1, lengths[users] // 2) if second_half else np.ones(len(users), dtype=np.int64)
    ends = domains.indptr[users] + rng.integers(earliest, lengths[users])
    usable = domains.titled[domains.items[ends]]
    users, ends = users[usable], ends[usable]
    return Examples(users, np.maximum(domains.indptr[users], ends - max_history), ends)


class PooledEncoder(nn.Module):
    """A pre-trained encoder and the pooling of its last states; trained in the device's number format."""

    def __init__(self, encoder: nn.Module, params: TextParams) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling: Pooling = params.pooling
        for module in encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = params.dropout

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The encoder's table of token vectors."""
        words: nn.Embedding = self.encoder.get_input_embeddings()  # type: ignore[operator]
        return words

    def make_trainable(self, *, freeze_words: bool) -> None:
        """Make all weights trainable, except the word embeddings if they are frozen."""
        for name, weights in self.named_parameters():
            weights.requires_grad_(UNUSED not in name.split("."))
        self.word_embeddings.requires_grad_(not freeze_words)

    def states(self, ids: Tensor, mask: Tensor, added: Tensor | None = None) -> Tensor:
        """Return the last states, (n, width, dimension); ``added`` is added to the word embeddings."""
        text = {"input_ids": ids} if added is None else {"inputs_embeds": self.word_embeddings(ids) + added}
        low = self.training and training_dtype(ids.device) == torch.bfloat16
        with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=low):
            states: Tensor = self.encoder(attention_mask=mask.long(), **text).last_hidden_state
        return states.float()

    def pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return one vector per text, (n, dimension)."""
        if self.pooling == "cls":
            return states[:, 0]
        real = mask[..., None].to(states)
        return (states * real).sum(1) / real.sum(1)


def framing(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer puts before and after a text."""
    text = "a"
    plain, framed = tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer(text)["input_ids"]
    before = next(start for start in range(len(framed)) if framed[start : start + len(plain)] == plain)
    return framed[:before], framed[before + len(plain) :]


def most_tokens(tokenizer: Any, encoder: nn.Module) -> int:
    """Return the maximum number of tokens that the encoder can read."""
    positions = getattr(encoder.config, "max_position_embeddings", None) or tokenizer.model_max_length
    return int(min(positions, tokenizer.model_max_length))


def encode_by_length(
    lengths: Sequence[int], encode: Callable[[Rows], Tensor], progress: ProgressHook | None = None
) -> Tensor:
    """Encode all texts without gradients, in batches of similar length; return their vectors in the given order.

    Args:
        lengths: Number of tokens of each text.
        encode: Returns the vectors of the texts at the given rows, (n_rows, dimension).
        progress: Is told how many are encoded.
    """
    order = np.argsort(np.asarray(lengths), kind="stable").astype(np.int64)
    vectors = []
    with torch.no_grad():
        for start, stop in length_batches([lengths[row] for row in order]):
            vectors.append(encode(order[start:stop]))
            tell(progress, Steps("encoding texts", stop, len(order), "texts"))
    encoded = torch.cat(vectors)
    return encoded[torch.from_numpy(np.argsort(order)).to(encoded.device)]


def recent_histories(queries: Queries, max_history: int) -> Iterator[Rows]:
    """Yield the last ``max_history`` items of each query, oldest first."""
    for query in range(len(queries)):
        yield queries.history(query)[-max_history:].astype(np.int64)


def dot_scores(histories: Tensor, table: Tensor, queries: Queries) -> NDArray[np.float32]:
    """Return dot products, (n, n_candidates), of history vectors (n, d) and candidates of a table (n_items, d)."""
    scores = np.empty(queries.candidates.shape, dtype=np.float32)
    for start in range(0, len(histories), QUERIES_SCORED_AT_ONCE):
        rows = slice(start, start + QUERIES_SCORED_AT_ONCE)
        scores[rows] = candidate_dots(histories[rows], table, queries, rows).cpu().numpy()
    return scores


def optimizer(model: nn.Module, params: TextParams) -> torch.optim.Optimizer:
    """Return AdamW over the trainable weights, with a linear warm-up and clipped gradients."""
    weights = [each for each in model.parameters() if each.requires_grad]
    adam = torch.optim.AdamW(weights, params.learning_rate, weight_decay=params.weight_decay, fused=True)
    schedule_step_size(adam, lambda step: min(1.0, (step + 1) / max(1, params.warm_up_steps)))
    clip_gradients(adam)
    return adam


def encoder_key(
    recommender: Recommender,
    task: Task,
    backbone: Backbone,
    sources: Sequence[Domain],
    params: Mapping[str, Any] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """Return the :func:`training_key` of a training that starts from an encoder.

    Args:
        recommender: The recommender that is trained.
        task: The task it is trained on.
        backbone: The encoder.
        sources: The source domains used in training, in any order.
        params: The parameters that affect this training; None uses all.
        facts: Further arguments of :func:`training_key`.
    """
    return training_key(
        recommender,
        task,
        params,
        libraries=("transformers",),
        backbone=backbone.revision,
        sources=sorted(domain.content_hash for domain in sources),
        number_format=str(training_dtype(task.device)),
        **facts,
    )
