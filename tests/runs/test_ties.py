from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.plugin import FitReport, TrainingReport
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from bench.runs.ties import MOST_TIES, tie_warnings
from tests.support.fake_methods import engine_with_fakes
from tests.support.shop_toy import write_shop

Save = Callable[..., RunRecord]


def tied(save_run: Save, share: float, method: str = "xcross", **fields: Any) -> RunRecord:
    """Return a record of 1,000 queries, this share of whose positives tie with another candidate."""
    n_tied = round(1000 * share)
    return save_run(method, [0] * 1000, [1] * n_tied + [0] * (1000 - n_tied), **{"family": "integrating", **fields})


def test_more_than_one_tie_in_a_hundred_is_warned_of_with_the_method_and_the_share(save_run: Save) -> None:
    assert tie_warnings(tied(save_run, MOST_TIES)) == []
    (warning,) = tie_warnings(tied(save_run, 0.465))
    assert warning.startswith("xcross: the positive ties with another candidate in 46.5% of the queries")


@pytest.mark.parametrize(
    ("fields", "is_warned"),
    [
        ({"family": "control"}, False),
        ({"family": "control", "fit": FitReport(training=TrainingReport(epochs=1))}, True),
        ({"family": "language-model", "ranking": "generate", "backbone": "tiny"}, False),
        ({"family": "language-model", "ranking": "likelihood", "backbone": "tiny"}, True),
        ({"family": "sequential", "setting": "cold"}, False),
        ({"family": "general", "setting": "cold"}, False),
        ({"family": "sequential", "setting": "warm"}, True),
        ({"family": "transferable", "setting": "cold"}, True),
        ({"family": "transferable", "catalogue": {"n_items": 1000.0}}, False),
    ],
)
def test_scores_that_are_meant_to_tie_are_not_warned_of(
    save_run: Save, fields: dict[str, Any], is_warned: bool
) -> None:
    assert bool(tie_warnings(tied(save_run, 0.9, **fields))) == is_warned


def test_a_run_carries_the_warning_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = Folders(tmp_path / "cache", tmp_path / "results", tmp_path / "data")
    write_shop(folders.data_dir, "shop")
    with contextmanager(engine_with_fakes)(monkeypatch):
        record = run(complete(RunRequest("spy", "shop", "warm")), folders, lambda _line: None)
    assert (record.tie_rate, record.family) == (1.0, "general")
    assert record.warnings[-1].startswith("spy: the positive ties with another candidate in 100.0% of the queries")
    assert RunStore(folders.results_dir).load(record.id).warnings == record.warnings
