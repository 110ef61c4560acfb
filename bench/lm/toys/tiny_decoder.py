"""Train a small Qwen2-architecture decoder on source-domain text, as a backbone that needs no hub.

Its tokenizer and weights come only from the source domains' training histories, so it is a toy: it makes every
language-model method runnable anywhere, but says nothing about how well a pre-trained model would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.files.revisions import revision_of
from bench.lm.prompts.shared import SEPARATOR, chat_format, clean_title, plain_chat, prompt_hash, shared_prompt
from bench.progress import Steps, tell

if TYPE_CHECKING:
    from bench.data.domain import Domain
    from bench.files.store import ArtifactStore
    from bench.plugin import ProgressHook

KIND = "backbone"
"""Kind of artifact."""
PAD, TURN, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_STEPS_OF_LOSS = 10
"""The loss is the mean over this fraction (one tenth) of the steps."""
_TEXTS_AT_ONCE = 1000
_TITLES_A_WORDING = 20


@dataclass(frozen=True)
class TinyParams:
    """Size of the model and of its training."""

    vocabulary: int = 4096
    """Maximum number of tokens of the byte-level tokenizer."""
    hidden: int = 128
    """Width of the residual stream."""
    layers: int = 4
    """Decoder layers."""
    heads: int = 4
    """Query heads."""
    key_value_heads: int = 2
    """Key and value heads."""
    intermediate: int = 352
    """Width inside the gated feed-forward part."""
    initial_range: float = 0.05
    """Standard deviation of the initial weights; with a large model's 0.02, such a narrow one is slow to look back."""
    max_positions: int = 4096
    """Longest sequence the configuration declares."""
    steps: int = 300
    """Optimizer steps."""
    batch: int = 4
    """Rows per step."""
    row_tokens: int = 512
    """Tokens per row."""
    learning_rate: float = 4e-3
    """Peak of the one-cycle schedule."""
    prompt_share: float = 0.4
    """Share of the training rows with recommendation prompts and answers; the rest are plain title sequences."""
    prompt_history: int = 5
    """Number of most recent purchases in such a prompt."""
    prompt_candidates: int = 10
    """Number of candidates in such a prompt."""


def tiny_backbone(
    domains: Sequence[Domain],
    artifacts: ArtifactStore,
    progress: ProgressHook,
    params: TinyParams = TinyParams(),
    seed: int = 0,
) -> Path:
    """Return the directory of the toy decoder for these domains, training it first if the store lacks it.

    Args:
        domains: Titled domains with their training interactions; their order does not matter.
        artifacts: Where the directory is stored.
        progress: Is told the steps.
        params: Size and training.
        seed: Seed of the weights and of the order of the text.

    Returns:
        A directory that ``AutoModelForCausalLM`` and ``AutoTokenizer`` load.

    Raises:
        BenchError: No domain has titles and histories to learn from.
    """
    ordered = sorted(domains, key=lambda domain: domain.content_hash)
    if not any(domain.titled and domain.n_interactions for domain in ordered):
        raise BenchError("Backbone 'tiny' needs at least one source dataset with titles: give --source-datasets A,B.")
    key = tiny_key(domains, params, seed)
    return artifacts.get_or_make(KIND, key, lambda folder: _make(folder, ordered, params, seed, progress))


def tiny_key(domains: Sequence[Domain], params: TinyParams = TinyParams(), seed: int = 0) -> dict[str, Any]:
    """Return everything that determines the toy decoder for these domains; its hash is the backbone's revision."""
    return {
        "backbone": "tiny",
        "revision": revision_of(__name__),
        "prompt": prompt_hash(),
        "domains": sorted(domain.content_hash for domain in domains),
        "params": asdict(params),
        "seed": seed,
    }


def byte_pair_tokenizer(texts: Sequence[str], vocabulary: int) -> Any:
    """Train a ``Qwen2Tokenizer`` with a chat format on texts; the separator is always a single token.

    The class is ``Qwen2Tokenizer`` because transformers loads any tokenizer next to a Qwen2 configuration as one.
    """
    from transformers import Qwen2Tokenizer

    untrained = Qwen2Tokenizer(eos_token=END, pad_token=PAD, additional_special_tokens=[TURN])
    batches = (texts[start : start + _TEXTS_AT_ONCE] for start in range(0, len(texts), _TEXTS_AT_ONCE))
    tokenizer = untrained.train_new_from_iterator(batches, vocabulary - 1, show_progress=False)
    tokenizer.add_tokens([SEPARATOR])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def untrained_decoder(params: TinyParams, tokenizer: Any, seed: int) -> Any:
    """Build a ``Qwen2ForCausalLM`` with seeded random weights, without changing the global random state."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=params.hidden,
        intermediate_size=params.intermediate,
        num_hidden_layers=params.layers,
        num_attention_heads=params.heads,
        num_key_value_heads=params.key_value_heads,
        max_position_embeddings=params.max_positions,
        initializer_range=params.initial_range,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "tiny-weights"))
        return Qwen2ForCausalLM(config)


def title_sequences(domain: Domain, rng: np.random.Generator) -> Iterator[str]:
    """Yield users' histories endlessly, as titles joined by the separator, with users in random order."""
    titles = [clean_title(title) for title in domain.titles]
    users = np.flatnonzero(np.diff(domain.indptr) > 0)
    while True:
        for user in rng.permutation(users):
            yield SEPARATOR.join(titles[item] for item in domain.history(user)) + END


def prompt_examples(domain: Domain, params: TinyParams, tokenizer: Any, rng: np.random.Generator) -> Iterator[str]:
    """Yield shared prompts with their answers endlessly: a random purchase among random products."""
    chat = chat_format(tokenizer)
    lengths = np.diff(domain.indptr)
    users, trained = np.flatnonzero(lengths > 1), np.unique(domain.items)
    while True:
        for user in rng.permutation(users):
            place = int(rng.integers(1, lengths[user]))
            history = domain.history(user)
            others = rng.choice(trained, size=params.prompt_candidates - 1)
            offered = rng.permutation([history[place], *others])
            bought = [domain.titles[item] for item in history[max(0, place - params.prompt_history) : place]]
            text = shared_prompt(bought, [domain.titles[item] for item in offered], chat)
            yield text + clean_title(domain.titles[history[place]]) + END


def train_decoder(model: Any, rows: Tensor, params: TinyParams, progress: ProgressHook) -> float:
    """Train in place on rows of token ids, shape (steps, batch, row tokens), and return the last steps' mean loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, params.learning_rate, total_steps=len(rows) + 1)
    losses: list[float] = []
    last = max(1, len(rows) // _STEPS_OF_LOSS)
    model.train()
    for step, batch in enumerate(rows, start=1):
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        detail = f"loss {losses[-1]:.3f}"
        tell(progress, Steps("training the tiny backbone", step, len(rows), "steps", n_after=None, detail=detail))
    model.eval()
    return float(np.mean(losses[-last:]))


def _make(folder: Path, domains: Sequence[Domain], params: TinyParams, seed: int, progress: ProgressHook) -> None:
    usable = [domain for domain in domains if domain.titled and domain.n_interactions]
    progress(f"tiny backbone: training on {', '.join(domain.name for domain in usable)}")
    titles = [clean_title(title) for domain in usable for title in domain.titles]
    wording = [shared_prompt([], [], plain_chat)] * (1 + len(titles) // _TITLES_A_WORDING)
    tokenizer = byte_pair_tokenizer(titles + wording, params.vocabulary)
    model = untrained_decoder(params, tokenizer, seed)
    rng = np.random.default_rng(derived_seed(seed, "tiny-text"))
    train_decoder(model, training_rows(usable, params, tokenizer, rng), params, progress)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def training_rows(domains: Sequence[Domain], params: TinyParams, tokenizer: Any, rng: np.random.Generator) -> Tensor:
    """Split a mixture of title sequences and prompts into token rows, shape (steps, batch, row tokens)."""
    n_rows = params.steps * params.batch
    with_successors = [domain for domain in domains if np.diff(domain.indptr).max() > 1]
    n_prompts = round(n_rows * params.prompt_share) if with_successors else 0
    kinds = [
        ([prompt_examples(domain, params, tokenizer, rng) for domain in with_successors], n_prompts),
        ([title_sequences(domain, rng) for domain in domains], n_rows - n_prompts),
    ]
    rows = torch.cat([_cut_rows(streams, n, params.row_tokens, tokenizer) for streams, n in kinds])
    return rows[torch.from_numpy(rng.permutation(n_rows))].view(params.steps, params.batch, params.row_tokens)


def _cut_rows(streams: Sequence[Iterator[str]], n_rows: int, row_tokens: int, tokenizer: Any) -> Tensor:
    """Take texts from the streams in turn until their tokens fill the rows; a text may continue in the next row."""
    ids: list[int] = []
    turn = 0
    while len(ids) < n_rows * row_tokens:
        ids += tokenizer(next(streams[turn % len(streams)]), add_special_tokens=False)["input_ids"]
        turn += 1
    return torch.tensor(ids[: n_rows * row_tokens], dtype=torch.long).view(n_rows, row_tokens)
