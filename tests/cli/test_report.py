from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.files.folders import Folders
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


@pytest.fixture
def two_runs(bench: Bench) -> None:
    for method in ("popularity", "random"):
        assert bench("run", "--method", method, "--dataset", "shop").code == 0


def test_a_page_is_written_with_wins_by_history_and_popularity(bench: Bench, two_runs: None, tmp_path: Path) -> None:
    outcome = bench("report", "--output", tmp_path / "pages" / "report.html")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert f"Wrote {tmp_path / 'pages' / 'report.html'}: 2 runs of 2 methods" in outcome.stderr
    html = (tmp_path / "pages" / "report.html").read_text(encoding="utf-8")
    start = html.index('id="data">') + len('id="data">')
    data = json.loads(html[start : html.index("</script>", start)])
    assert [axis["name"] for axis in data["boards"][0]["users"]["axes"]] == ["all", "history", "popularity"]


def test_queries_are_shown_in_titles_unless_they_are_left_out(bench: Bench, two_runs: None, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    bench("report", "--output", target)
    assert "Article number" in target.read_text(encoding="utf-8")
    assert f"Replaced {target}: 2 runs" in bench("report", "--output", target, "--no-queries").stderr
    without = target.read_text(encoding="utf-8")
    assert "Article number" not in without
    assert "History length" in without


def test_without_data_the_page_is_written_all_the_same(
    bench: Bench, two_runs: None, folders: Folders, tmp_path: Path
) -> None:
    words = ("--data-dir", tmp_path, "--cache-dir", tmp_path / "cache", "--output", tmp_path / "report.html")
    outcome = bench("report", *words)
    assert outcome.code == 0
    assert "Queries and wins by history length and popularity are not available" in outcome.stderr
    assert (tmp_path / "report.html").exists()


def test_a_store_without_runs_is_a_mistake_and_writes_nothing(bench: Bench, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert "No runs are stored in" in bench("report", "--output", target).mistake
    assert not target.exists()


def test_help_has_two_worked_examples(bench: Bench) -> None:
    assert bench("report", "--help").stdout.count("\n    bench report") == 2


def test_a_report_imports_no_torch(bench: Bench, two_runs: None, folders: Folders, tmp_path: Path) -> None:
    words = ["--results-dir", str(folders.results_dir), "--output", str(tmp_path / "report.html")]
    code = f"import sys; from bench.cli.report import report; report({words!r}, standalone_mode=False); " + (
        "sys.exit('torch' in sys.modules or 'scipy.stats' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (done.returncode, (tmp_path / "report.html").exists()) == (0, True)
