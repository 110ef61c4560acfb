from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.main import cli
from bench.errors import BenchError

ROWS = "user_id,item_id,timestamp\nann,tea,1\nann,cup,2\nbob,tea,3\n"


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BENCH_USER_DATA", str(tmp_path / "mine"))
    (tmp_path / "data").mkdir()
    (tmp_path / "orders.csv").write_text(ROWS)
    return lambda *arguments: CliRunner().invoke(cli, ["data", *arguments])


def mistake(result: Result) -> str:
    assert isinstance(result.exception, BenchError)
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize("command", ["prepare", "verify", "import", "stats"])
def test_every_command_has_two_examples(command: str) -> None:
    text = CliRunner().invoke(cli, ["data", command, "--help"]).output
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
    assert result.stdout.splitlines() == [
        "orders.csv (CSV): user = user_id, item = item_id, time = timestamp",
        "times: Unix seconds, 1970-01-01 to 1970-01-01 (column timestamp)",
        "note: all times are in 1970; if timestamp counts steps, give it with --position-column",
        "note: 2 of 2 items have no title.",
        f"Imported shop: 2 users, 2 items, 3 interactions in {tmp_path}/mine/shop",
        "Next: bench run --method popularity --dataset shop",
    ]
    verified = invoke("verify", "shop")
    assert verified.exit_code == 0
    assert all(line.startswith("ok ") for line in verified.stdout.splitlines())
    assert all(check["passed"] for check in json.loads(invoke("verify", "shop", "--json").stdout))


def test_verify_exits_with_1_when_a_check_fails(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv"))
    (tmp_path / "mine" / "shop" / "SHA256SUMS").write_text("0" * 64 + "  interactions.csv\n")
    result = invoke("verify", "shop")
    assert result.exit_code == 1
    assert "FAILED  interactions.csv has SHA-256" in result.stdout


def test_mistakes_are_one_line_errors(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "Did you mean beauty" in mistake(invoke("stats", "beaty"))
    assert "does not exist" in mistake(invoke("import", "shop", "--interactions", str(tmp_path / "none.csv")))
    (tmp_path / "orders.csv").write_text("user_id,item_id\nann\n")
    assert "line 2" in mistake(invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv")))


def test_an_import_says_first_where_it_goes_and_leaves_the_shared_directory_alone(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv"))
    assert result.stderr.splitlines()[0] == f"Importing shop into {tmp_path}/mine/shop"
    assert list((tmp_path / "data").iterdir()) == []
    assert invoke("stats", "shop").exit_code == 0


def test_an_import_goes_to_a_shared_directory_if_it_is_given(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    place = ("--data-dir", str(tmp_path / "data"))
    result = invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv"), *place)
    assert result.stdout.splitlines()[-1] == f"Next: bench run --method popularity --dataset shop {' '.join(place)}"
    assert (tmp_path / "data" / "shop" / "interactions.csv").exists()
    assert not (tmp_path / "mine").exists()
    hidden = mistake(invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv")))
    assert "The data directory already has a dataset 'shop', which would be used instead" in hidden


def test_columns_units_and_a_core_are_chosen_by_options(invoke, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "log.tsv").write_text(
        "who\tsku\twhen\tlabel\nann\ttea\t1700000000000\tTea\nbob\ttea\t1700000001000\tTea\n"
    )
    columns = ("--user-column", "who", "--item-column", "sku", "--time-column", "when", "--title-column", "label")
    words = ("import", "log", "--interactions", str(tmp_path / "log.tsv"), *columns, "--time-unit", "milliseconds")
    facts = json.loads(invoke(*words, "--k-core", "1", "--json").stdout)
    assert (facts["name"], facts["users"], facts["items"], facts["interactions"]) == ("log", 2, 1, 2)
    assert facts["recognized"] == [
        "log.tsv (TSV): user = who, item = sku, time = when, title = label",
        "times: Unix milliseconds, 2023-11-14 to 2023-11-14 (column when)",
    ]
    assert "already exists: replace it with --overwrite" in mistake(invoke(*words))
    assert "--dataset log" in invoke(*words, "--overwrite").stdout
    assert "Invalid value for '--k-core'" in invoke(*words, "--k-core", "-1").stderr


def test_rows_without_an_order_are_refused_without_a_question(invoke, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "orders.csv").write_text("user,item\nann,tea\n")
    words = ("import", "shop", "--interactions", str(tmp_path / "orders.csv"))
    assert "or take the rows' order with --unordered" in mistake(invoke(*words))
    assert "order: that of the rows" in invoke(*words, "--unordered").stdout


def test_without_a_home_directory_an_import_needs_a_data_directory(invoke, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("BENCH_USER_DATA")
    monkeypatch.setattr("platformdirs.user_data_path", lambda _name: Path("~unknown"))
    text = mistake(invoke("import", "shop", "--interactions", str(tmp_path / "orders.csv")))
    assert text == "No home directory is known for your data: give --data-dir or set BENCH_USER_DATA."
