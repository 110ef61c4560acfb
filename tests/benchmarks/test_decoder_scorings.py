"""The measurement of scorings adds each part to its file once, with the metrics of its scores."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.plugin import Answers
from tests.benchmarks import decoder_scorings
from tests.benchmarks.decoder_scorings import PARTS, Part, Row, main, measured, read, write

ASKED = SimpleNamespace(answers=Answers(np.array([0, 1])))
SCORES = np.array([[3, 2, 1, 0], [3, 2, 1, 0]], dtype=np.float32)


def test_a_scoring_has_the_metrics_of_its_ranks() -> None:
    part = Part("likelihood", trained=True, candidates_in_prompt=False)
    second = 1 / np.log2(3)  # the second query's positive is in the second place
    assert measured(part, ASKED, {"sum": SCORES}) == [Row("sum", 1, 0, 0.5, pytest.approx((1 + second) / 2, abs=1e-4))]


def test_parts_in_the_file_are_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[Part] = []

    def scores_of(part: Part) -> tuple[SimpleNamespace, dict[str, np.ndarray]]:
        computed.append(part)
        return ASKED, {"generate" if part.ranking == "generate" else "mean": SCORES}

    monkeypatch.setattr(decoder_scorings, "scores_of", scores_of)
    path = tmp_path / "scorings.csv"
    known = [Row("sum", 0, 0, 0.1, 0.2), Row("generate", 1, 1, 0.3, 0.4)]
    write(path, known)
    main(path)
    main(path)
    done = [Part("likelihood", False, False), Part("generate", True, True)]
    assert computed == [part for part in PARTS if part not in done]
    assert read(path)[:2] == known
    assert len(read(path)) == len(PARTS)
