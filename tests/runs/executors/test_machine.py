from __future__ import annotations

from pathlib import Path

import pytest

from bench.runs.executors.machine import accelerators


@pytest.mark.parametrize(
    ("visible", "expected"), [("", []), ("-1", []), ("0", ["0"]), ("5, GPU-ab", ["5", "GPU-ab"]), ("1,,2", ["1", "2"])]
)
def test_visible_gpus_keep_their_names(monkeypatch: pytest.MonkeyPatch, visible: str, expected: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert accelerators() == expected


def test_without_a_choice_the_driver_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: One (UUID: a)'; echo '  MIG 1g'; echo 'GPU 1: Two (UUID: b)'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert accelerators() == ["0", "1"]
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert accelerators() == []
    driver.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert accelerators() == []
