"""What is done again for a stored run: scoring alone, or training as well."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.files.folders import Folders
from bench.runs.complete import complete
from bench.runs.engine import Again, run
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest
from tests.support.shop_toy import write_shop

Run = Callable[..., RunRecord]


@pytest.fixture
def bpr(tmp_path: Path) -> Run:
    """Run BPR on a small shop, trained for one epoch."""
    write_shop(tmp_path / "data")
    folders = Folders(tmp_path / "cache", tmp_path / "results", tmp_path / "data")

    def carried_out(again: Again | None = None) -> RunRecord:
        spec = complete(RunRequest("bpr", "shop", params={"epochs": 1}))
        return run(spec, folders, lambda _line: None, again=again)

    return carried_out


def spoil(tmp_path: Path) -> None:
    """Turn all weights of the one cached model round, as if it had been made so."""
    (path,) = (tmp_path / "cache").glob("models/*/model.safetensors")
    made = path.with_name("made.json")
    made.write_text(json.dumps(json.loads(made.read_text())["key"]))  # without the hashes, as older versions wrote it
    save_file({name: torch.flip(tensor, dims=[0]).clone() for name, tensor in load_file(path).items()}, path)


def test_a_stored_run_is_neither_scored_nor_trained_again(bpr: Run, tmp_path: Path) -> None:
    first = bpr()
    spoil(tmp_path)
    assert bpr() == first


def test_rescoring_uses_the_model_that_is_there(bpr: Run, tmp_path: Path) -> None:
    first = bpr()
    spoil(tmp_path)
    assert bpr("score").metrics != first.metrics


def test_force_trains_again_and_replaces_the_model(bpr: Run, tmp_path: Path) -> None:
    first = bpr()
    spoil(tmp_path)
    assert bpr("train").metrics == first.metrics
    assert bpr("score").metrics == first.metrics  # with the new model
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 1
    assert not (tmp_path / "results" / "superseded").exists()  # made from the same, so there is nothing to keep
