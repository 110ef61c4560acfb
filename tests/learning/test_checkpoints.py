from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.learning.checkpoints import Checkpoint, load_optimizer, optimizer_tensors

TENSORS = {"now/0": torch.arange(6.0).view(2, 3), "best/0": torch.zeros(0), "count": torch.tensor(3.0)}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "unfinished" / "state.safetensors")


def test_what_is_saved_comes_back(checkpoint: Checkpoint) -> None:
    facts = {"losses": [0.1, 1 / 3], "decays_from": None, "n_steps": 7}
    checkpoint.save(TENSORS, facts)
    tensors, found = checkpoint.load()
    assert found == facts
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_the_last_save_counts_and_leaves_no_other_file(checkpoint: Checkpoint) -> None:
    checkpoint.save(TENSORS, {"n_steps": 1})
    checkpoint.save(TENSORS, {"n_steps": 2})
    assert checkpoint.load()[1] == {"n_steps": 2}
    assert [path.name for path in checkpoint.path.parent.iterdir()] == [checkpoint.path.name]


def test_a_save_that_fails_leaves_the_one_before(checkpoint: Checkpoint) -> None:
    checkpoint.save(TENSORS, {"n_steps": 1})
    with pytest.raises(TypeError):
        checkpoint.save(TENSORS, {"n_steps": object()})
    assert checkpoint.load()[1] == {"n_steps": 1}


def test_views_of_one_tensor_are_saved_as_they_are(checkpoint: Checkpoint) -> None:
    whole = torch.arange(6.0).view(2, 3)
    checkpoint.save({"whole": whole, "turned": whole.T, "row": whole[0]}, {})
    tensors, _ = checkpoint.load()
    assert torch.equal(tensors["turned"], whole.T)
    assert torch.equal(tensors["row"], whole[0])


def test_there_is_nothing_before_the_first_save_and_after_removal(checkpoint: Checkpoint) -> None:
    assert checkpoint.load() is None
    checkpoint.remove()
    checkpoint.save(TENSORS, {})
    checkpoint.remove()
    assert checkpoint.load() is None
    assert not checkpoint.path.exists()


@pytest.mark.parametrize("n_bytes", [0, 5, 40, 200, -1])
def test_a_damaged_file_counts_as_none(checkpoint: Checkpoint, n_bytes: int) -> None:
    checkpoint.save(TENSORS, {"n_steps": 1})
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:n_bytes])
    assert checkpoint.load() is None


def test_facts_that_cannot_be_read_count_as_none(checkpoint: Checkpoint) -> None:
    checkpoint.save(TENSORS, {"n_steps": 1})
    whole = checkpoint.path.read_bytes()
    spoilt = whole.replace(b'\\"n_steps\\": 1', b'\\"n_steps\\": }')
    assert len(spoilt) == len(whole)
    checkpoint.path.write_bytes(spoilt)
    assert spoilt != whole
    assert checkpoint.load() is None


def test_an_optimizer_goes_on_with_the_moments_it_had(checkpoint: Checkpoint) -> None:
    def stepped(weights: torch.nn.Parameter, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
        for _ in range(n_steps):
            weights.grad = weights.detach() ** 2 + 0.1
            optimizer.step()

    through = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = torch.optim.AdamW([through], lr=0.1)
    stepped(through, optimizer, 3)
    checkpoint.save({"now": through, **optimizer_tensors(optimizer, "moments")}, {})
    stepped(through, optimizer, 4)

    tensors, _ = checkpoint.load()
    again = torch.nn.Parameter(tensors["now"])
    fresh = torch.optim.AdamW([again], lr=0.1)
    load_optimizer(fresh, tensors, "moments")
    stepped(again, fresh, 4)
    assert torch.equal(again, through)
