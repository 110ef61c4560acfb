from __future__ import annotations

from pathlib import Path

from bench.files.folders import Folders
from bench.runs.complete import complete
from bench.runs.earlier_runs import interactions_of
from bench.runs.plan import plan_runs
from bench.runs.request import RunRequest
from bench.runs.tasks import Tasks
from tests.support.shop_toy import write_shop


def test_only_the_data_of_the_plan_are_read_aloud(tmp_path: Path) -> None:
    for name in ("shop", "market", "unprepared"):
        write_shop(tmp_path / "data", name)
    folders, told = Folders(tmp_path / "cache", tmp_path / "results", tmp_path / "data"), list[str]()
    Tasks(folders, lambda _line: None).domain("market")
    plan = plan_runs([complete(RunRequest("popularity", "shop"))], lambda _: (), lambda _: False, lambda _: False)
    size = interactions_of(plan, Tasks(folders, told.append))
    assert size("market") == size("shop")
    assert size("unprepared") is None
    assert told == ["Locating shop", "Preparing shop"]
