"""Load a backbone by name as a language model that can be trained and can score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.lm.backbones import DECODERS, MINILM, SMOLLM2, TINY, Backbone, BackboneKind, needs_decoder, resolve_backbone
from bench.lm.language_model import LanguageModel, Reading
from bench.lm.smollm2 import planned_smollm2, smollm2_backbone
from bench.spec import DEFAULT_RANKING

if TYPE_CHECKING:
    from bench.plugin import LastLoaded, Task
    from bench.spec import Ranking

_EXPECTED: dict[BackboneKind | None, str] = {
    None: f"an encoder or a decoder. Without the hub, use --backbone {MINILM}.",
    "causal": f"a decoder. Without the hub, use --backbone {SMOLLM2}.",
    "encoder": f"an encoder. Without the hub, use --backbone {MINILM}.",
    "seq2seq": f"an encoder-decoder such as google-t5/t5-small. Without the hub, use --backbone {TINY} (a toy model).",
}


def task_backbone(task: Task, kind: BackboneKind | None = None) -> Backbone:
    """Return the backbone that the task names, made first if it is ``tiny`` or ``smollm2`` and not in the cache.

    ``tiny`` is generated from the text of the sources, else of the target; ``smollm2`` is converted.

    Args:
        task: Names the backbone and contains the text.
        kind: The kind that the method needs; None if it accepts both an encoder and a decoder.

    Raises:
        BenchError: the task names no backbone, or one of another kind.
    """
    backbone = planned_backbone(task, kind)
    if backbone.kind not in ((kind,) if kind else ("causal", "encoder")):
        raise BenchError(
            f"Backbone '{backbone.name}' is of kind '{backbone.kind}'; this method needs {_EXPECTED[kind]}"
        )
    if backbone.kind == "causal" and backbone.name in DECODERS:
        _make(backbone, task)
    return backbone


def planned_backbone(task: Task, kind: BackboneKind | None = None) -> Backbone:
    """Return the backbone that the task names, whose directory may not exist yet if it is ``tiny`` or ``smollm2``.

    ``kind`` decides which ``tiny`` is meant; an encoder-decoder is generated now, because that takes no training.
    """
    if task.backbone is None:
        raise BenchError("This method needs a language model: give one, such as --backbone minilm.")
    if task.backbone == SMOLLM2:
        return planned_smollm2(task.artifacts)
    if task.backbone != TINY:
        return named_backbone(task.backbone, task.held)
    if kind == "seq2seq":
        from bench.lm.toys.tiny_seq2seq import tiny_seq2seq

        folder = tiny_seq2seq(task.sources or (task.target,), task.artifacts, task.progress)
        return Backbone(TINY, "seq2seq", folder, folder.name, toy=True)
    from bench.lm.toys.tiny_decoder import KIND, tiny_key

    folder = task.artifacts.path(KIND, tiny_key(task.sources or (task.target,)))
    return Backbone(TINY, "causal", folder, folder.name, toy=True)


def named_backbone(name: str, held: LastLoaded) -> Backbone:
    """Return the backbone of a name, looked up once per set of runs because hashing large weights takes long."""
    return held.get("backbone", name, lambda: resolve_backbone(name))


def _make(backbone: Backbone, task: Task) -> None:
    """Make the files of a ``tiny`` or ``smollm2`` decoder, unless they are in the cache."""
    if backbone.name == SMOLLM2:
        smollm2_backbone(task.artifacts, task.progress)
        return
    from bench.lm.toys.tiny_decoder import tiny_backbone

    tiny_backbone(task.sources or (task.target,), task.artifacts, task.progress)


def load_language_model(task: Task, reading: Reading | None = None) -> LanguageModel:
    """Return the task's backbone as the language model of its kind and ranking.

    The last loaded model is reused if it is the same, whatever it reads and however it scores. Training and
    scoring restore the model afterwards, by :func:`bench.lm.training.attachment.attached` and
    :func:`bench.lm.adapters.apply.folded`.
    """
    backbone = task_backbone(task)
    key = (backbone, task.ranking == "generate", task.engine, task.device)
    load = language_model_class(backbone, task.ranking).for_task
    language_model = task.held.get("language model", key, lambda: load(backbone, task))
    language_model.set_up(reading or Reading(), task.ranking)
    return language_model


def language_model_class(backbone: Backbone, ranking: Ranking | None = None) -> type[LanguageModel]:
    """Return the class of language model for the backbone's kind and a ranking.

    Raises:
        BenchError: the backbone is an encoder and the ranking is one that only decoders have.
    """
    if backbone.kind == "encoder":
        if ranking not in (None, DEFAULT_RANKING):
            raise needs_decoder(backbone.name, ranking)
        from bench.lm.encoders.towers import TowerLanguageModel

        return TowerLanguageModel
    if ranking == "generate":
        from bench.lm.decoders.lists import ListLanguageModel

        return ListLanguageModel
    from bench.lm.decoders.likelihood import GenerativeLanguageModel

    return GenerativeLanguageModel
