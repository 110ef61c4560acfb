"""RecFormer: one encoder reads histories and items as text; a history is its items' titles, most recent first.

A score is the cosine of the two vectors divided by the temperature. Each token has two additional embeddings: its type
and the item it belongs to. The encoder is pre-trained on the source domains, then fine-tuned on the target in two
stages: in the first, the table of item vectors is re-encoded after each epoch; in the second, the best table is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bench.baselines.text_encoders.recformer_reader import MaskedWords, SequenceEncoder, Texts
from bench.baselines.text_encoders.shared import (
    ARTIFACT_KIND,
    Examples,
    Rows,
    TextParams,
    TitledDomains,
    dot_scores,
    draw_examples,
    encode_by_length,
    encoder_backbone,
    encoder_key,
    optimizer,
    recent_histories,
)
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.errors import BenchError
from bench.files.hashing import derived_seed
from bench.learning.epochs import Resumable, TrainingRecord, train_epochs, train_until_no_better
from bench.learning.sequences import bucketed_batches
from bench.learning.stored import trained_once
from bench.learning.training import descend, seeded, state_copy, stopping_score, validation_sample
from bench.lm.encoders.text_encoder import load_encoder
from bench.plugin import FitReport, Queries, Recommender, Task, TrainingReport, above, at_least, at_most, shrinks_to
from bench.progress import prefixed
from bench.registry import register

if TYPE_CHECKING:
    from bench.learning.checkpoints import Checkpoint
    from bench.lm.backbones import Backbone

BATCHES_A_PART = 50
"""Batches of pre-training between two lines of progress, and between two states that can be saved."""


class Ranker(nn.Module):
    """The encoder and the table of item vectors that its histories are compared with."""

    table: Tensor

    def __init__(self, reader: SequenceEncoder, n_items: int) -> None:
        super().__init__()
        self.reader = reader
        width = int(reader.encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.register_buffer("table", torch.zeros(n_items, width, device=reader.device))


@register(
    "recformer",
    title="RecFormer",
    family="transferable",
    paper="Li et al. 2023, arXiv 2305.13731",
    needs_titles=True,
    needs_sources=True,
    runs_on="text-encoder",
    cold_rule="title text",
    ranks_catalogue=True,
)
class RecFormer(Recommender):
    """One encoder for items and histories as flattened text."""

    @dataclass(frozen=True)
    class Params(TextParams):
        """Hyper-parameters of RecFormer; the default sizes allow training on a CPU."""

        temperature: float = field(default=0.05, metadata=above(0))
        """Temperature by which cosines are divided."""
        attribute_names: bool = True
        """Whether each title is preceded by the attribute name ``title``."""
        pretrain_examples: int = field(default=5_000, metadata=shrinks_to("examples") | at_least(0))
        """Source histories in pre-training (one pass, equally many per source); 0 skips pre-training."""
        mlm_weight: float = field(default=0.1, metadata=at_least(0))
        """Weight of each of the two masked-word losses in pre-training; 0 disables them."""
        mask_share: float = field(default=0.15, metadata=above(0) | at_most(1))
        """Fraction of masked words."""
        second_epochs: int = field(default=100, metadata=at_least(0))
        """Maximum number of epochs with the best table of item vectors fixed (the paper: 128 in each stage)."""

    def fit(self, task: Task) -> None:
        """Pre-train on the sources and fine-tune on the target, or load the weights of either."""
        self.progress = task.progress
        backbone = encoder_backbone(task, "recformer")
        with seeded(derived_seed(task.seed, "recformer")):
            self.tokenizer, encoder = load_encoder(backbone, task.device)
            reader = SequenceEncoder(encoder, self.params).to(task.device)
            self.pretraining = self._pretrained(task, backbone, reader)
            self.domains = TitledDomains([task.target], self.tokenizer, self.params.title_tokens)
            self.texts = Texts(self.domains, self.tokenizer, encoder, self.params.attribute_names)
            self.model = Ranker(reader, task.target.n_items)
            sources = task.sources if self.params.pretrain_examples else ()
            key = encoder_key(self, task, backbone, sources)
            self.record = trained_once(task.artifacts, ARTIFACT_KIND, key, self.model, partial(self._fine_tuned, task))

    def score(self, queries: Queries) -> NDArray[np.float32]:
        """Return cosines divided by the temperature, shape (n, n_candidates)."""
        histories = self.history_vectors(list(recent_histories(queries, self.params.max_history)))
        return dot_scores(histories, self.model.table, queries) / np.float32(self.params.temperature)

    def report(self) -> FitReport:
        """Return the size of the model and both training logs."""
        weights = list(self.model.parameters())
        return FitReport(
            trained_parameters=sum(one.numel() for one in weights if one.requires_grad),
            training=self.record.report(),
            stages={} if self.pretraining is None else {"pretraining": self.pretraining},
            extra={"parameters": sum(one.numel() for one in weights)},
        )

    def history_vectors(self, histories: Sequence[Rows]) -> Tensor:
        """Return the unit vector of each history (item indices, oldest first), (n, dimension)."""
        return self._vectors([self.texts.flattened(history[::-1]) for history in histories])

    def item_vectors(self) -> Tensor:
        """Return the unit vector of each item of the target, (n_items, dimension); zero for items without a title."""
        texts = [self.texts.flattened([item]) for item in range(len(self.domains.titled))]
        titled = torch.from_numpy(self.domains.titled).to(self.model.table.device)
        return self._vectors(texts) * titled[:, None]

    def _vectors(self, texts: Sequence[NDArray[np.int64]]) -> Tensor:
        self.model.eval()
        reader = self.model.reader

        def encode(rows: Rows) -> Tensor:
            vectors: Tensor = reader(self.texts.padded([texts[row] for row in rows], reader.device))
            return vectors

        return encode_by_length([text.shape[1] for text in texts], encode, self.progress)

    def _pretrained(self, task: Task, backbone: Backbone, reader: SequenceEncoder) -> TrainingReport | None:
        """Pre-train the reader on the sources or load its weights; the target is not used."""
        if not self.params.pretrain_examples:
            return None
        if not task.sources:
            raise BenchError(
                "RecFormer pre-trains on source datasets: give --source-datasets A,B or -p pretrain_examples=0."
            )
        early = _pretraining_params(self.params)
        key = encoder_key(self, task, backbone, task.sources, early, knows_target=False, stage="pre-training")
        record = trained_once(
            task.artifacts, ARTIFACT_KIND, key, reader, partial(pretrain, reader, self.tokenizer, task, self.params)
        )
        report = record.report(sorted(domain.name for domain in task.sources))
        return replace(report, n_examples=self.params.pretrain_examples)

    def _fine_tuned(self, task: Task, checkpoint: Checkpoint) -> TrainingRecord:
        """Train in two stages; the second's best state is kept only if it is better than the first's."""
        model = self.model
        model.reader.make_trainable(freeze_words=self.params.freeze_words)
        adam = optimizer(model, self.params)
        rng = np.random.default_rng(derived_seed(task.seed, "recformer", "examples"))
        queries, answers = validation_sample(task, self.params.validation_queries)

        def train_epoch() -> float:
            return descend(model, adam, self._losses(rng))

        def validate() -> float:
            return stopping_score(self.score(queries), answers)

        def encode_and_validate() -> float:
            model.table.copy_(self.item_vectors())
            return validate()

        def stage(what: str, epochs: int, look: Callable[[], float], resumable: Resumable) -> TrainingRecord:
            report = prefixed(task.progress, f"RecFormer on {task.target.name}, {what}, ", f"{what}, ")
            return train_until_no_better(model, train_epoch, look, epochs, self.params.patience, report, resumable)

        model.table.copy_(self.item_vectors())
        in_stage = [Resumable(checkpoint.of_stage(name), adam, rng) for name in ("first", "second")]
        first = stage("items encoded anew", self.params.epochs, encode_and_validate, in_stage[0])
        best_of_first = state_copy(model)
        second = stage("items held still", self.params.second_epochs, validate, in_stage[1])
        if max(second.validation, default=0.0) <= max(first.validation, default=-1.0):
            model.load_state_dict(best_of_first)
        return TrainingRecord(
            first.losses + second.losses, first.validation + second.validation, first.seconds + second.seconds
        )

    def _losses(self, rng: np.random.Generator) -> Iterator[Tensor]:
        """Yield the cross-entropy over the table for each batch of one epoch, with one random target per user."""
        examples = draw_examples(self.domains, self.params.max_examples, self.params.max_history, rng)
        trained = np.flatnonzero(self.domains.trained)  # held-out items must not be trained as negatives
        classes = self.model.table[torch.from_numpy(trained).to(self.model.table.device)]
        for rows in bucketed_batches(examples.ends - examples.starts, self.params.batch_size, rng):
            vectors = self.model.reader(
                self.texts.padded(_histories(self.texts, self.domains, examples, rows), classes.device)
            )
            targets = torch.from_numpy(np.searchsorted(trained, self.domains.items[examples.ends[rows]]))
            yield cross_entropy(vectors @ classes.T / self.params.temperature, targets.to(classes.device))

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "the base is the given encoder with full attention instead of Longformer",
            "pre-trained on a fixed number of histories of the given sources instead of the authors' checkpoint",
            f"titles are cut to {self.params.title_tokens} tokens (the paper: 32 per attribute) "
            f"and histories to {self.params.max_history} items (50)",
            f"an epoch is a sample of at most {self.params.max_examples} users, "
            f"and {self.params.validation_queries} validation queries choose the best one",
            f"pooling is {self.params.pooling} (the paper: the first token's state)",
            f"the encoder's dropout is {self.params.dropout} (0.1)",
            "the softmax excludes items without training interactions",
        )


def pretrain(
    reader: SequenceEncoder, tokenizer: Any, task: Task, params: RecFormer.Params, checkpoint: Checkpoint
) -> TrainingRecord:
    """Train the reader for one pass over the sources on the next item among the batch's and on masked words."""
    sources = sorted(task.sources, key=lambda domain: domain.content_hash)
    domains = TitledDomains(sources, tokenizer, params.title_tokens)
    texts = Texts(domains, tokenizer, reader.encoder, params.attribute_names)
    head = MaskedWords(reader, tokenizer, params.mask_share).to(reader.device)
    reader.make_trainable(freeze_words=params.freeze_words)
    both = nn.ModuleList([reader, head])
    rng = np.random.default_rng(derived_seed(task.seed, "recformer", "pre-training"))
    examples = draw_examples(domains, params.pretrain_examples, params.max_history, rng, second_half=True)
    batches = list(bucketed_batches(examples.ends - examples.starts, params.batch_size, rng))
    parts = [batches[start : start + BATCHES_A_PART] for start in range(0, len(batches), BATCHES_A_PART)]
    adam = optimizer(both, params)

    def losses(batches: Sequence[Rows]) -> Iterator[Tensor]:
        for rows in batches:
            items, columns = np.unique(domains.items[examples.ends[rows]], return_inverse=True)
            histories = texts.padded(_histories(texts, domains, examples, rows), reader.device)
            alone = texts.padded([texts.flattened([item]) for item in items], reader.device)
            loss = contrast(reader(histories), reader(alone), torch.from_numpy(columns), params.temperature)
            if params.mlm_weight:
                loss = loss + params.mlm_weight * (head(reader, histories, rng) + head(reader, alone, rng))
            yield loss

    record = train_epochs(
        both,
        lambda part: descend(both, adam, losses(parts[part])),
        len(parts),
        prefixed(task.progress, "RecFormer, pre-training, ", "pre-training, "),
        Resumable(checkpoint, adam, rng),
        unit="part",
    )
    loss = float(np.average(record.losses, weights=[len(part) for part in parts]))
    return TrainingRecord((loss,), (), (sum(record.seconds),))


def contrast(histories: Tensor, items: Tensor, columns: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of each history's item among the batch's distinct ones.

    Args:
        histories: Unit vectors, (n, dimension).
        items: Unit vectors of distinct items, (n_items, dimension).
        columns: Each history's item, (n,).
        temperature: Temperature by which cosines are divided.
    """
    return cross_entropy(histories @ items.T / temperature, columns.to(histories.device))


def _histories(texts: Texts, domains: TitledDomains, examples: Examples, rows: Rows) -> list[NDArray[np.int64]]:
    """Return the texts of the examples' histories, most recent first."""
    return [texts.flattened(domains.items[examples.starts[row] : examples.ends[row]][::-1]) for row in rows]


def _pretraining_params(params: RecFormer.Params) -> dict[str, Any]:
    """Return the parameters that affect pre-training."""
    later = {"max_examples", "epochs", "second_epochs", "patience", "validation_queries"}
    return {name: value for name, value in asdict(params).items() if name not in later}
