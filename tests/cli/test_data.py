from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.data import data
from bench.errors import BenchError

ROWS = "user_id,item_id,timestamp\nann,tea,1\nann,cup,2\nbob,tea,3\n"


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "orders.csv").write_text(ROWS)
    return lambda *arguments: CliRunner().invoke(data, list(arguments))


def mistake(result: Result) -> str:
    assert isinstance(result.exception, BenchError)
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize("command", ["prepare", "verify", "import", "stats"])
def test_every_command_has_two_examples(command: str) -> None:
    text = CliRunner().invoke(data, [command, "--help"]).output
    assert text.count(f"bench data {command} ") >= 2


def test_stats_are_shown_beside_the_expected_counts(invoke) -> None:  # type: ignore[no-untyped-def]
    result = invoke("stats", "ml-100k")
    assert result.exit_code == 0
    lines = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert lines["users"].split() == ["users", "943", "943", "(equal)"]
    assert lines["items"].split() == ["items", "1,682", "1,682", "(equal)"]
    assert "6.3047%" in lines["density"]
    assert "106.04" in lines["mean length"]
    assert "0.00%" in lines["without timestamp"]
    assert "Note: Offline substitute for the papers' MovieLens-1M" in result.stdout
    assert "Preparing ml-100k" in result.stderr


def test_stats_as_json_can_be_read_by_a_script(invoke) -> None:  # type: ignore[no-untyped-def]
    invoke("import", "shop", "--interactions", os.environ["BENCH_DATA"] + "/../orders.csv")
    facts = json.loads(invoke("stats", "shop", "--json").stdout)
    assert (facts["users"], facts["items"], facts["interactions"]) == (2, 2, 3)
    assert facts["density_percent"] == 75.0
    assert facts["expected"] == []
    assert facts["notes"] == ["2 of 2 items have no title."]


def test_prepare_says_what_is_ready(invoke) -> None:  # type: ignore[no-untyped-def]
    result = invoke("prepare", "ml-100k-action")
    assert result.stdout == "ml-100k-action is ready: 846 users, 221 items, 25,268 interactions.\n"
    assert set(json.loads(invoke("prepare", "ml-100k-action", "--json").stdout)) == {"name", "content_hash", "notes"}


def test_import_then_verify(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv"))
    assert result.exit_code == 0
    assert result.stdout.startswith("Imported shop: 2 users, 2 items, 3 interactions.\n")
    assert "Next: bench data stats shop" in result.stdout
    verified = invoke("verify", "shop")
    assert verified.exit_code == 0
    assert all(line.startswith("ok ") for line in verified.stdout.splitlines())
    assert all(check["passed"] for check in json.loads(invoke("verify", "shop", "--json").stdout))


def test_verify_exits_with_1_when_a_check_fails(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv"))
    (tmp_path / "data" / "SHA256SUMS").write_text("0" * 64 + "  shop/interactions.csv\n")
    result = invoke("verify", "shop")
    assert result.exit_code == 1
    assert "FAILED  interactions.csv has SHA-256" in result.stdout


def test_mistakes_are_one_line_errors(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "Did you mean beauty" in mistake(invoke("stats", "beaty"))
    assert "does not exist" in mistake(invoke("import", "shop", "--interactions", str(tmp_path / "none.csv")))
    (tmp_path / "orders.csv").write_text("user_id,item_id\nann\n")
    assert "line 2" in mistake(invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv")))


def test_import_needs_a_data_folder(invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("BENCH_DATA")
    text = mistake(invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv")))
    assert "set BENCH_DATA or give --data-dir" in text
