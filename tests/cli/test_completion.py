"""The shell completes names of datasets, with the user's own ones, and of methods."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from bench.cli.main import cli


@pytest.fixture(autouse=True)
def _own_data(user_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in (user_data / "stall", tmp_path / "data" / "shop", tmp_path / "other" / "sheep"):
        folder.mkdir(parents=True)
        (folder / "interactions.csv").write_text("user_id,item_id\na,b\n")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))


def completed(*words: str) -> list[str]:
    found = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]


def test_datasets_are_completed_with_the_user_s_own() -> None:
    assert completed("run", "--dataset", "s") == ["sports", "sports-2018", "shop", "stall"]
    assert completed("data", "stats", "be") == ["beauty"]
    assert completed("candidates", "st") == ["stall"]


def test_a_data_directory_on_the_command_line_counts(tmp_path: Path) -> None:
    assert completed("run", "--data-dir", str(tmp_path / "other"), "--dataset", "sh") == ["sheep"]
    assert completed("run", "--data-dir", str(tmp_path / "none"), "--dataset", "st") == ["stall"]


def test_the_last_dataset_of_a_list_is_completed() -> None:
    assert completed("run", "--source-datasets", "stall,ml-100k-d") == ["stall,ml-100k-drama"]
    assert completed("new", "experiment", "t", "--datasets", "stall,st") == []


def test_methods_are_completed_alone_and_beside_datasets() -> None:
    assert completed("run", "--method", "sasr") == ["sasrec"]
    assert completed("check", "popu") == ["popularity"]
    assert completed("describe", "s") == [
        "s3rec",
        "sasrec",
        "second-finetune",
        "source-lora",
        "sports",
        "sports-2018",
        "shop",
        "stall",
    ]
