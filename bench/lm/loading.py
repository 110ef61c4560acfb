"""From a backbone's name to a language model that can be trained and asked."""

from __future__ import annotations

from bench.errors import BenchError
from bench.lm.backbones import TINY, Backbone, BackboneKind, resolve_backbone
from bench.lm.language_model import LanguageModel
from bench.plugin import Task


def task_backbone(task: Task) -> Backbone:
    """Return the backbone that the task names; ``tiny`` is made on the spot from the sources' (else target's) text."""
    if task.backbone == TINY:
        from bench.lm.tiny import tiny_backbone

        tiny_backbone(task.sources or (task.target,), task.artefacts, task.progress)
    return planned_backbone(task)


def planned_backbone(task: Task) -> Backbone:
    """Return the backbone that the task names, made or not: the folder of a ``tiny`` may not be there yet."""
    if task.backbone is None:
        raise BenchError("A language-model method needs a backbone, such as --backbone minilm.")
    if task.backbone != TINY:
        return resolve_backbone(task.backbone)
    from bench.lm.tiny import KIND, tiny_key

    folder = task.artefacts.path(KIND, tiny_key(task.sources or (task.target,)))
    return Backbone(TINY, "causal", folder, folder.name, toy=True)


def load_language_model(task: Task) -> LanguageModel:
    """Load the task's backbone as the language model of its kind."""
    backbone = task_backbone(task)
    return language_model_class(backbone.kind)(backbone, task.device)


def language_model_class(kind: BackboneKind) -> type[LanguageModel]:
    """Return the class whose instances are language models of a kind."""
    if kind == "encoder":
        from bench.lm.towers import TowerLanguageModel

        return TowerLanguageModel
    from bench.lm.generative import GenerativeLanguageModel

    return GenerativeLanguageModel
