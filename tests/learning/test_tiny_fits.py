"""What a few steps of each model's training amount to; BENCH_UPDATE_FITS=1 writes the numbers anew.

A method's results may only change where its revision is raised. A model's training is decided by much code that it
shares with others, so each has a tiny fit whose number was computed before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.text_toys import save_pico_encoder
from tests.support.tiny_fits import FITS, MOST_STEPS, CountedSteps, TinyFit, given_codes, tiny_task

pytestmark = pytest.mark.numbers
KNOWN = Path(__file__).parent / "tiny_fits.json"
RELATIVE = 1e-3
"""Other processors differ by a twentieth of this at most; a step size half as long again, by the tenfold at least."""


@pytest.fixture(autouse=True)
def plain_arithmetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, float32 even on a processor that trains in bfloat16, and codes that no rounding turns to others."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr("bench.baselines.vqrec.stored_codes", given_codes)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def backbones(
    pico_encoder_folder: Path, pico_folder: Path, pico_seq2seq_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The toy backbones; pairs need one whose texts' vectors differ by more than rounding."""
    wide = save_pico_encoder(tmp_path_factory.mktemp("wide"), deviation=0.2)
    folders = {"encoder": pico_encoder_folder, "decoder": pico_folder, "seq2seq": pico_seq2seq_folder}
    return {**folders, "wide encoder": wide}


def known() -> dict[str, float]:
    return dict(json.loads(KNOWN.read_text(encoding="utf-8")))


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
def test_a_few_steps_amount_to_what_they_did(fit: TinyFit, backbones: dict[str, Path], tmp_path: Path) -> None:
    with CountedSteps() as steps:
        number = fit.number(*tiny_task(tmp_path, backbones[fit.backbone]))
    assert steps.counts
    assert 1 < max(steps.counts) <= MOST_STEPS
    if os.environ.get("BENCH_UPDATE_FITS"):
        numbers = {**known(), fit.name: float(f"{number:.8g}")}
        KNOWN.write_text(json.dumps(dict(sorted(numbers.items())), indent=2) + "\n", encoding="utf-8")
    assert number == pytest.approx(known()[fit.name], rel=RELATIVE)


@pytest.mark.parametrize(
    ("fit", "rate"), [pytest.param(fit, rate, id=f"{fit.name}-{rate}") for fit in FITS for rate in fit.rates]
)
def test_a_changed_step_size_is_found(fit: TinyFit, rate: str, backbones: dict[str, Path], tmp_path: Path) -> None:
    changed = {rate: 1.5 * fit.params[rate]}
    number = fit.number(*tiny_task(tmp_path, backbones[fit.backbone]), **changed)
    assert number != pytest.approx(known()[fit.name], rel=3 * RELATIVE)


def test_the_numbers_are_those_of_the_fits() -> None:
    assert list(known()) == sorted(fit.name for fit in FITS)
