"""The states of the random generators that a training draws from, to continue it as if it had not been stopped."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.plugin.fit_report import as_tuples

if TYPE_CHECKING:
    from bench.learning.training import State


def torch_generators() -> State:
    """Return the states of torch's default generators, by device."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states |= {f"cuda:{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def other_generators(rng: np.random.Generator) -> dict[str, Any]:
    """Return the states of ``rng`` and of the global generators of NumPy and Python, as JSON can hold them."""
    name, words, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "rng": rng.bit_generator.state,
        "numpy": {"name": name, "words": np.asarray(words).tolist(), "rest": rest},
        "python": random.getstate(),
    }


def restore_generators(of_torch: State, others: Mapping[str, Any], rng: np.random.Generator) -> None:
    """Restore what :func:`torch_generators` and :func:`other_generators` returned; devices not at hand are skipped."""
    torch.set_rng_state(of_torch["cpu"])
    for device, state in of_torch.items():
        if device != "cpu" and torch.cuda.is_available():
            torch.cuda.set_rng_state(state, device)
    rng.bit_generator.state = others["rng"]
    of_numpy = others["numpy"]
    words = np.asarray(of_numpy["words"], dtype=np.uint32)
    np.random.set_state((of_numpy["name"], words, *of_numpy["rest"]))  # noqa: NPY002
    random.setstate(as_tuples(others["python"]))
