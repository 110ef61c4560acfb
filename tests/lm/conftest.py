"""A pico decoder of the Qwen2 architecture with random weights and a tokenizer trained on the spot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench.data.domain import Domain
from bench.lm.decoders.causal import CausalLanguageModel
from bench.lm.toys.tiny_decoder import TinyParams
from tests.support.text_toys import PICO, made_up_titles


def made_up_domain(name: str = "pico", n_items: int = 40, n_users: int = 30, seed: int = 0) -> Domain:
    """Return a titled domain with random histories of 3 to 8 items."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, size=n_users)
    return Domain(
        name=name,
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items=rng.integers(n_items, size=int(lengths.sum())).astype(np.int32),
        titles=tuple(made_up_titles(n_items)),
        user_ids=np.arange(n_users).astype(str),
        item_ids=np.arange(n_items).astype(str),
    )


@pytest.fixture(scope="session")
def make_domain() -> Callable[..., Domain]:
    """The function that makes a made-up domain; see :func:`made_up_domain` for its arguments."""
    return made_up_domain


@pytest.fixture(scope="session")
def pico_params() -> TinyParams:
    return TinyParams(**PICO)


@pytest.fixture(scope="session")
def pico_titles():
    return made_up_titles(40)


@pytest.fixture
def pico(pico_folder):
    """A freshly loaded CausalLanguageModel, so that a test may change it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(pico_folder).eval()
    return CausalLanguageModel(model, AutoTokenizer.from_pretrained(pico_folder))
