from __future__ import annotations

import pytest
import torch

from bench.errors import BenchError
from bench.runs.environment import chosen_device


@pytest.mark.parametrize("there_is_one", [True, False])
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch, there_is_one: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there_is_one)
    assert chosen_device("auto") == ("cuda" if there_is_one else "cpu")


def test_a_device_that_can_be_used_is_taken_as_named() -> None:
    assert chosen_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "meta", "hpu"])
def test_a_device_that_cannot_be_used_is_an_error_of_one_line(name: str) -> None:
    with pytest.raises(BenchError, match=f"Device '{name}' is not available .*--device cpu or --device auto") as error:
        chosen_device(name)
    assert "\n" not in str(error.value)
