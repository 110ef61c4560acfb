"""Encode texts as unit vectors with a pre-trained encoder: length-sorted batches, mean pooling over real tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.lm.backbones import Backbone, quiet_transformers, reading_model
from bench.lm.batching import length_batches
from bench.progress import Steps, tell

if TYPE_CHECKING:
    from bench.plugin import ProgressHook

MAX_TOKENS = 64


class TextEncoder:
    """A loaded encoder and its tokenizer, always in evaluation mode, so that its own dropout is never applied."""

    def __init__(self, backbone: Backbone, device: str = "cpu") -> None:
        self.tokenizer, self.model = load_encoder(backbone, device)
        self.device = device
        self.dimension = int(self.model.config.hidden_size)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, truncated to :data:`MAX_TOKENS`."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        return ids

    def encode(self, tokens: Sequence[list[int]], progress: ProgressHook | None = None) -> Tensor:
        """Return unit vectors in the given order, (n, dimension), with gradients if they are enabled."""
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        batches = length_batches([len(tokens[i]) for i in order])
        pooled = []
        for start, stop in batches:
            pooled.append(self._pool([tokens[i] for i in order[start:stop]]))
            tell(progress, Steps("encoding titles", stop, len(tokens), "titles"))
        inverse = np.empty(len(order), dtype=np.int64)
        inverse[order] = np.arange(len(order))
        vectors = torch.cat(pooled)
        return vectors[torch.from_numpy(inverse).to(vectors.device)]

    def _pool(self, tokens: list[list[int]]) -> Tensor:
        width = max(len(ids) for ids in tokens)
        padding = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [padding] * (width - len(row)) for row in tokens], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in tokens], device=self.device)
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return nn.functional.normalize(mean, dim=-1)


def load_encoder(backbone: Backbone, device: str) -> tuple[Any, Any]:
    """Load tokenizer and model from the backbone's folder, float32, evaluation mode, without its unused pooler."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    with quiet_transformers(), reading_model(backbone):
        tokenizer = AutoTokenizer.from_pretrained(backbone.folder, trust_remote_code=False)
        settings = AutoConfig.from_pretrained(backbone.folder, trust_remote_code=False)
        model = AutoModel.from_pretrained(
            backbone.folder, config=settings, trust_remote_code=False, dtype=torch.float32
        )
    model.requires_grad_(False)
    return tokenizer, model.eval().to(device)
