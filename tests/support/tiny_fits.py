"""Fits of a few steps on a generated catalogue, each summarized by one number that depends on its computation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.optimizer import register_optimizer_step_post_hook

from bench.files.store import ArtifactStore
from bench.plugin import Answers, Queries, Task
from bench.registry import registry
from bench.runs.params import build_params
from bench.spec import Ranking
from tests.support.transferable_toy import planted_titles, source

MOST_STEPS = 5
"""Maximum number of steps per optimizer."""
N_ASKED = 12
RECBOLE = {"learning_rate": 1e-2, "batch_size": 10, "epochs": 1}
LORA = {
    "rank": 4,
    "alpha": 8,
    "learning_rate": 2e-2,
    "batch_size": 8,
    "max_examples": 32,
    "epochs": 1,
    "warmup_steps": 2,
    "decay_share": 0.0,
}
LINEAR = {name: value for name, value in LORA.items() if name not in ("rank", "alpha")} | {"n_negatives": 8}
S3REC = {
    **RECBOLE,
    "learning_rate": 3e-2,
    "pretrain_epochs": 1,
    "pretrain_batch_size": 10,
    "pretrain_learning_rate": 2e-2,
    "min_titles": 1,
    "max_title_share": 1.0,
}
YES_NO = {name: value for name, value in LORA.items() if name != "max_examples"} | {"n_samples": 32, "max_history": 3}
TEXT = {
    "learning_rate": 2e-3,
    "batch_size": 8,
    "max_examples": 32,
    "epochs": 1,
    "warm_up_steps": 3,
    "validation_queries": 10,
}
PAIR = {**LORA, "max_tokens": 64, "max_examples": 16, "batch_size": 4, "n_validation": 10}
INTEGRATION = {**PAIR, "max_examples": 8, "target_examples": 16, "target_epochs": 1, "target_learning_rate": 2e-2}
BOTH_STAGES = ("learning_rate", "pretrain_learning_rate")
INTEGRATED = ("learning_rate", "target_learning_rate")
TRANSFERABLE = {
    **RECBOLE,
    "dimensions": 16,
    "inner_dimensions": 32,
    "layers": 1,
    "pretrain_epochs": 1,
    "pretrain_batch_size": 100,
    "pretrain_learning_rate": 1e-2,
}
MERGED = {**LORA, "max_examples": 8, "n_prompts": 12, "prompts_a_step": 4, "passes": 1}


@dataclass(frozen=True)
class TinyFit:
    """A method with parameters that make its fit tiny."""

    method: str
    params: Mapping[str, Any]
    backbone: str = "encoder"
    """The toy backbone: ``encoder``, ``wide encoder``, ``decoder`` or ``seq2seq``."""
    rates: tuple[str, ...] = ("learning_rate",)
    """The parameters that are learning rates."""
    variant: str = ""
    """Distinguishes it from other fits of the same method."""
    ranking: Ranking | None = None
    """How a decoder scores."""

    @property
    def name(self) -> str:
        """Name of the fit."""
        return " ".join(filter(None, [self.method, self.variant]))

    def number(self, task: Task, queries: Queries, **changes: Any) -> float:
        """Fit the method with changed parameters and return a number that summarizes its scores.

        Each query's mean score is subtracted, because only differences matter, and the absolute values are summed with
        fixed random weights. Only the scores are used, which every method must provide.
        """
        scores = self.scores(task, queries, **changes).astype(np.float64)
        weights = np.random.default_rng(0).uniform(0.5, 1.5, size=scores.shape)
        return float((weights * np.abs(scores - scores.mean(axis=1, keepdims=True))).mean())

    def scores(self, task: Task, queries: Queries, **changes: Any) -> NDArray[np.float32]:
        """Fit the method with changed parameters and return its scores."""
        method = registry().recommender(self.method)
        recommender = method(build_params(self.method, method.Params, {**self.params, **changes}))
        recommender.fit(replace(task, ranking=self.ranking))
        return recommender.score(queries)


FITS = (
    TinyFit("bpr", {**RECBOLE, "batch_size": 50}),
    TinyFit("gru4rec", RECBOLE),
    TinyFit("sasrec", RECBOLE),
    TinyFit("sasrec", {**RECBOLE, "loss": "bce"}, variant="bce"),
    TinyFit("bert4rec", {**RECBOLE, "copies": 1}),
    TinyFit("fdsa", RECBOLE),
    TinyFit("fmlp", {**RECBOLE, "batch_size": 50}),
    TinyFit("s3rec", S3REC, rates=BOTH_STAGES),
    TinyFit("alpharec", {**RECBOLE, "batch_size": 50, "negatives": 16}),
    TinyFit("mcrpl", {**RECBOLE, "batch_size": 45, "source_epochs": 1, "dimensions": 16, "inner_dimensions": 32}),
    TinyFit("unisrec", TRANSFERABLE, rates=BOTH_STAGES),
    TinyFit("vqrec", {**TRANSFERABLE, "code_blocks": 4, "permutation_epochs": 1}, rates=BOTH_STAGES),
    TinyFit("llmrec", {**TEXT, "max_examples": 30, "batch_size": 10}),
    TinyFit("llmrec", {**TEXT, "learning_rate": 1e-2, "lora_rank": 4, "domains": "target"}, variant="lora"),
    TinyFit("recformer", {**TEXT, "pretrain_examples": 32, "second_epochs": 0}),
    TinyFit("p5", {**RECBOLE, "max_examples": 32, "max_length": 5, "validation_queries": 10}, "seq2seq"),
    # the plain likelihood: what the history adds to it is too little after a few steps
    TinyFit(
        "tallrec",
        {**LORA, "learning_rate": 0.05, "warmup_steps": 1, "max_history": 3, "dropout": 0.0},
        "decoder",
        ranking="sum",
    ),
    TinyFit("tallrec-yesno", YES_NO, "decoder"),
    TinyFit("text-linear", LINEAR, "wide encoder"),
    TinyFit("target-only", LORA),
    TinyFit("second-finetune", {**LORA, "max_examples": 16}),
    TinyFit(
        "reccocktail",
        {**MERGED, "search": "adam", "entropy_learning_rate": 0.2},
        rates=("learning_rate", "entropy_learning_rate"),
    ),
    TinyFit("adamerging", {**MERGED, "entropy_learning_rate": 0.1}, rates=("learning_rate", "entropy_learning_rate")),
    TinyFit("lora", PAIR, "wide encoder"),
    *(
        TinyFit(method, INTEGRATION, "wide encoder", INTEGRATED)
        for method in ("pooler-scorer", "xcross", "xlora", "meteora")
    ),
)


def tiny_task(folder: Path, backbone: Path) -> tuple[Task, Queries]:
    """Return a titled task with two sources, 40 users each, and the first test queries."""
    sources = (source(10, "first", n_users=40), source(20, "second", n_users=40))
    task, queries, _ = planted_titles(folder, backbone, n_users=40, sources=sources)
    few = np.arange(N_ASKED)
    answers = Answers(task.validation_answers.positive_column[few])
    return replace(task, validation=task.validation.take(few), validation_answers=answers), queries.take(few)


def given_codes(
    store: ArtifactStore, vectors: NDArray[np.float32], trained: NDArray[np.bool_], blocks: int, rounds: int, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Return random codes instead of clustered ones, which can change with the last bit of a vector."""
    return np.random.default_rng(seed).integers(16, size=(len(vectors), blocks)), 16


class CountedSteps:
    """Counts the steps of each optimizer while the block runs."""

    def __enter__(self) -> CountedSteps:
        self.counts: list[int] = []
        self._place: dict[int, int] = {}
        self._seen: list[torch.optim.Optimizer] = []
        self._watched = register_optimizer_step_post_hook(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        self._watched.remove()

    def _count(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        if id(optimizer) not in self._place:
            self._seen.append(optimizer)  # kept, so that no other object gets its id
            self._place[id(optimizer)] = len(self.counts)
            self.counts.append(0)
        self.counts[self._place[id(optimizer)]] += 1
