"""From a backbone's name to a language model that can be trained and asked."""

from __future__ import annotations

from bench.errors import BenchError
from bench.lm.backbones import TINY, Backbone, resolve_backbone
from bench.lm.language_model import LanguageModel
from bench.plugin import Task


def task_backbone(task: Task) -> Backbone:
    """Return the backbone that the task names; ``tiny`` is made on the spot from the sources' (else target's) text."""
    if task.backbone is None:
        raise BenchError("A language-model method needs a backbone, such as --backbone minilm.")
    if task.backbone != TINY:
        return resolve_backbone(task.backbone)
    from bench.lm.tiny import tiny_backbone

    folder = tiny_backbone(task.sources or (task.target,), task.artefacts, task.progress)
    return Backbone(TINY, "causal", folder, folder.name, toy=True)


def load_language_model(task: Task) -> LanguageModel:
    """Load the task's backbone as the language model of its kind."""
    backbone = task_backbone(task)
    if backbone.kind == "encoder":
        from bench.lm.towers import TowerLanguageModel

        return TowerLanguageModel(backbone, task.device)
    from bench.lm.generative import GenerativeLanguageModel

    return GenerativeLanguageModel(backbone, task.device)
