"""Train an adapter of a pico decoder in the cache directory of a task, as one of the processes that were launched.

python -m tests.support.trained_together FOLDER PICO [STEP]

With STEP, the last of the processes is interrupted (Ctrl-C) after that many steps.
"""

from __future__ import annotations

import signal
import sys
from itertools import count
from pathlib import Path

from torch.optim.optimizer import register_optimizer_step_post_hook

from bench.cli.main import INTERRUPT
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


def interrupt_after(n_steps: int) -> None:
    """Send this process a SIGINT after its optimizer has taken so many steps."""
    steps = count(1)
    register_optimizer_step_post_hook(lambda *_: signal.raise_signal(signal.SIGINT) if next(steps) == n_steps else None)


def main(folder: Path, pico: Path, interrupted_after: int = 0) -> None:
    """Train the adapter, or find it, and say how many steps it was trained."""
    with connected("cpu") as team:
        if interrupted_after and team.number == team.size - 1:
            interrupt_after(interrupted_after)
        task, _ = tiny_task(folder, pico)
        language_model = GenerativeLanguageModel(local_backbone("pico", pico))
        language_model.model.double()  # else Adam turns the rounding of gradients near zero into whole steps
        _, report = carry_out(AdapterPlan((task.target,), RECIPE), language_model, task)
        print(f"process {team.number} of {team.size}: {report.n_steps} steps")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPT)
