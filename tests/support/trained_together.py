"""Train an adapter of a pico decoder in the cache directory of a task, as one of the processes that were launched.

python -m tests.support.trained_together FOLDER PICO
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.learning.team import connected
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.backbones import local_backbone
from bench.lm.decoders.likelihood import GenerativeLanguageModel
from bench.lm.training.library import AdapterPlan, carry_out
from tests.support.tiny_fits import tiny_task

RECIPE = LoraRecipe(
    rank=4, alpha=8, dropout=0.0, learning_rate=1e-2, epochs=2, batch_size=8, max_examples=32, warmup_steps=2,
    checks_an_epoch=1, n_validation=6,
)  # fmt: skip


def main(folder: Path, pico: Path) -> None:
    """Train the adapter, or find it, and say how many steps it was trained."""
    with connected("cpu") as team:
        task, _ = tiny_task(folder, pico)
        language_model = GenerativeLanguageModel(local_backbone("pico", pico))
        language_model.model.double()  # else Adam turns the rounding of gradients near zero into whole steps
        _, report = carry_out(AdapterPlan((task.target,), RECIPE), language_model, task)
        print(f"process {team.number} of {team.size}: {report.n_steps} steps")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
