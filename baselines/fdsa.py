"""FDSA: one self-attention encoder over a history's items, one over their titles, and a linear map of both states.

An item has only one feature, its title: the title's vector from a frozen encoder is mapped to the model's width by a
small network. The joint state is compared with the items' own embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from bench.baselines.recbole_models import zoo
from bench.baselines.sasrec import SASRec
from torch import Tensor, nn

from bench.files.hashing import content_hash
from bench.lm.encoders.title_vectors import title_vectors
from bench.lm.loading import task_backbone
from bench.plugin import at_least
from bench.registry import register

if TYPE_CHECKING:
    from bench.plugin import FitReport, Task

with zoo.importing_recbole():
    from recbole.model.layers import TransformerEncoder
    from recbole.model.sequential_recommender.sasrec import SASRec as RecBoleSASRec


class TwoStreamEncoder(RecBoleSASRec):  # type: ignore[misc]  # RecBole has no types
    """RecBole's SASRec with a second, equal encoder over titles; positions and layer norm are shared."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        vectors: Tensor = config["title_vectors"]
        self.register_buffer("title_vectors", nn.functional.pad(vectors, (0, 0, 1, 0)), persistent=False)
        self.title_layers = nn.Sequential(
            nn.Linear(vectors.shape[1], self.hidden_size), nn.GELU(), nn.Linear(self.hidden_size, self.hidden_size)
        )
        self.title_encoder = TransformerEncoder(
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            hidden_size=self.hidden_size,
            inner_size=self.inner_size,
            hidden_dropout_prob=self.hidden_dropout_prob,
            attn_dropout_prob=self.attn_dropout_prob,
            hidden_act=self.hidden_act,
            layer_norm_eps=self.layer_norm_eps,
        )
        self.concat_layer = nn.Linear(2 * self.hidden_size, self.hidden_size)
        for module in (self.title_layers, self.title_encoder, self.concat_layer):
            module.apply(self._init_weights)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Return the joint state of each history's last item, shape (n, d)."""
        mask = self.get_attention_mask(item_seq)
        positions = self.position_embedding.weight[: item_seq.shape[1]]

        def encoded(encoder: Any, vectors: Tensor) -> Tensor:
            dropped = self.dropout(self.LayerNorm(vectors + positions))
            last: Tensor = encoder(dropped, mask, output_all_encoded_layers=False)[-1]
            return last

        streams = (
            encoded(self.trm_encoder, self.item_embedding(item_seq)),
            encoded(self.title_encoder, self.title_layers(self.title_vectors[item_seq])),
        )
        states = torch.cat([self.gather_indexes(stream, item_seq_len - 1) for stream in streams], dim=-1)
        joint: Tensor = self.dropout(self.LayerNorm(self.concat_layer(states)))
        return joint


@register(
    "fdsa",
    title="FDSA",
    family="sequential",
    paper="Zhang et al. 2019, doi 10.24963/ijcai.2019/600",
    needs_titles=True,
    runs_on="text-encoder",
    cold_rule="zero in the cold setting; otherwise, the dot product with its initial ID embedding, which is not "
    "trained; titles are only used in histories",
    ranks_catalogue=True,
    extras=("recbole",),
)
class FDSA(SASRec):
    """FDSA on titles: h = LN(W [items' state; titles' state] + b), and a score is h · (the candidate's embedding).

    Like SASRec, it is trained at all positions of a sequence at once.
    """

    model_name = "FDSA"

    @dataclass(frozen=True)
    class Params(SASRec.Params):
        """Hyper-parameters of FDSA."""

        dimensions: int = field(default=64, metadata=at_least(1))
        """Size of item and state vectors; 300 for parity with UniSRec."""

    def model_class(self) -> type[Any]:
        """Return the two-stream encoder."""
        return TwoStreamEncoder

    def model_values(self) -> Mapping[str, Any]:
        """Return the model's settings under RecBole's names, and the titles' vectors."""
        return {**super().model_values(), "title_vectors": self.title_vectors}

    def fit(self, task: Task) -> None:
        """Encode the titles or load their vectors, then train like every RecBole model."""
        vectors = title_vectors(task.target, task_backbone(task), task.artifacts, task.progress, task.device)
        # The entries of a unit vector are too small for weights of standard deviation 0.02: scale to unit variance.
        self.title_vectors = torch.from_numpy(vectors) * vectors.shape[1] ** 0.5
        super().fit(task)

    def report(self) -> FitReport:
        """Add facts about the title vectors."""
        return (
            super()
            .report()
            .stating(
                title_dimensions=self.title_vectors.shape[1],
                n_untitled_items=int((self.title_vectors == 0).all(dim=1).sum()),
            )
        )

    def deviations(self) -> tuple[str, ...]:
        """Return where this differs from the paper."""
        return (
            "the title's vector is an item's only feature, so the paper's attention over features is not needed",
            "title vectors come from the run's encoder, mean-pooled, not from BERT's first token",
            "layer normalization and dropout of the joint state before the softmax, as in RecBole's FDSA",
            "at most 200 epochs and early stopping on validation NDCG@3 over the fixed candidates",
        )

    def _key(self, task: Task) -> dict[str, Any]:
        return {**super()._key(task), "titles": content_hash(self.title_vectors.numpy())}
