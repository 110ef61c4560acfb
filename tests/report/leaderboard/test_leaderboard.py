"""Submitted runs are ranked where they can be compared, and refused with the reason where they cannot."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.leaderboard.boards import Leaderboard, build_leaderboard
from bench.report.leaderboard.submissions import check_submission
from bench.report.leaderboard.write import write_leaderboard
from bench.runs.record import RunRecord, with_metrics
from bench.runs.sharing.run_archives import export_runs
from bench.runs.store import RunStore

Save = Callable[..., RunRecord]
GOOD, MIDDLING, BAD = [0, 0, 1] * 40, [1, 0, 3] * 40, [9, 5, 20] * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "submissions").mkdir()
    return tmp_path / "submissions"


@pytest.fixture
def submit(run_store: RunStore, save_run: Save, folder: Path) -> Callable[..., RunRecord]:
    """Store a run and submit it as an archive: ``submit("team/a.zip", "bpr", GOOD)``."""

    def run(place: str, method: str, better: list[int], **fields: object) -> RunRecord:
        record = save_run(method, better, **{"dataset": "shop", **fields})
        record = with_metrics(record, run_store.queries_of(record).ranks)
        run_store.rewrite(record)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        export_runs(run_store, [record], folder / place)
        return record

    return run


def refused(board: Leaderboard) -> dict[str, str]:
    return {f"{one.place} {one.run}".strip(): one.reason for one in board.refused}


def test_rows_are_ordered_by_the_first_metric_and_tested(submit: Callable[..., RunRecord], folder: Path) -> None:
    submit("a.zip", "bpr", MIDDLING)
    submit("b/b.zip", "sasrec", GOOD)
    submit("c.zip", "external:theirs", BAD)
    made = build_leaderboard(folder)
    (board,) = made.boards
    assert [row.method for row in board.table.rows] == ["sasrec", "bpr", "external:theirs"]
    assert board.table.rows[0].cells[0].starred
    assert board.title == "shop, warm"
    assert (made.n_runs, made.refused) == (3, ())


def test_seeds_are_one_row_and_protocols_are_boards(submit: Callable[..., RunRecord], folder: Path) -> None:
    for seed in (0, 1):
        submit(f"seed{seed}.zip", "bpr", MIDDLING, seed=seed)
    submit("cold.zip", "bpr", GOOD, setting="cold")
    cold, warm = build_leaderboard(folder).boards
    assert (cold.title, warm.title) == ("shop, cold", "shop, warm")
    (row,) = warm.table.rows
    assert row.cells[0].n_seeds == 2


def test_other_candidates_and_other_data_are_refused_by_name(submit: Callable[..., RunRecord], folder: Path) -> None:
    for number, method in enumerate(("bpr", "sasrec")):
        submit(f"{number}.zip", method, MIDDLING)
    submit("lists.zip", "fmlp", GOOD, candidates_hash="another")
    submit("data.zip", "gru4rec", GOOD, data={"shop": "changed"})
    submit("users.zip", "unisrec", GOOD, users=range(5, 125))
    made = build_leaderboard(folder)
    reasons = refused(made)
    assert reasons["lists.zip fmlp@shop@warm@seed0"] == (
        "it ranked the candidates another, the others of its board hash-shop-warm"
    )
    # the first of two versions of the data is the board's
    assert "data of 'shop'" in str(reasons)
    assert "unisrec@shop@warm@seed0" in str(reasons)
    assert made.n_runs == 5 - len(reasons)


def test_candidates_of_a_shipped_dataset_must_be_the_shipped_ones(
    submit: Callable[..., RunRecord], folder: Path
) -> None:
    submit("forged.zip", "bpr", GOOD, dataset="beauty")
    made = build_leaderboard(folder)
    assert made.boards == ()
    assert "it ranked the candidates hash-beauty-warm, the others of its board" in str(refused(made))


def test_the_same_run_twice_is_shown_once_and_another_of_its_id_is_refused(
    submit: Callable[..., RunRecord], folder: Path
) -> None:
    submit("a.zip", "bpr", MIDDLING)
    shutil.copy(folder / "a.zip", folder / "b.zip")
    record = submit("c.zip", "bpr", GOOD)
    made = build_leaderboard(folder)
    assert made.n_runs == 1
    assert refused(made) == {f"c.zip {record.token}": f"a.zip has another run with the id {record.id}"}


def test_a_directory_of_a_run_can_be_submitted(
    submit: Callable[..., RunRecord], run_store: RunStore, folder: Path
) -> None:
    record = submit("a.zip", "bpr", MIDDLING)
    (folder / "a.zip").unlink()
    shutil.copytree(run_store.path(record.id), folder / "team" / record.id)
    assert [one.place for one in build_leaderboard(folder).boards[0].submitted] == [f"team/{record.id}/run.json"]
    ranks = next((folder / "team" / record.id).glob("ranks*"))
    ranks.unlink()
    (reason,) = refused(build_leaderboard(folder)).values()
    assert "Cannot read" in reason
    assert ranks.name in reason
    assert "bench-submission-" not in reason


def test_links_are_not_followed(submit: Callable[..., RunRecord], run_store: RunStore, folder: Path) -> None:
    record = submit("a.zip", "bpr", MIDDLING)
    target = folder / "team" / record.id
    target.mkdir(parents=True)
    shutil.copy(run_store.path(record.id) / "run.json", target)
    ranks = next(run_store.path(record.id).glob("ranks*"))
    (target / ranks.name).symlink_to(ranks)
    (folder / "b.zip").symlink_to(folder / "a.zip")
    assert "is not a regular file" in str(refused(build_leaderboard(folder)))
    assert build_leaderboard(folder).n_runs == 1


def test_damaged_files_are_listed_and_the_others_ranked(submit: Callable[..., RunRecord], folder: Path) -> None:
    submit("a.zip", "bpr", MIDDLING)
    (folder / "junk.zip").write_bytes(b"junk")
    (folder / "README.md").write_text("ignored")
    made = build_leaderboard(folder)
    assert made.n_runs == 1
    assert refused(made) == {"junk.zip": "cannot be read as an archive of runs (BadZipFile: File is not a zip file)."}


def test_the_files_show_boards_and_refusals_and_escape_labels(
    submit: Callable[..., RunRecord], folder: Path, tmp_path: Path
) -> None:
    submit("a.zip", "bpr", MIDDLING)
    submit("b.zip", "<script>alert(1)</script>|", GOOD)
    (folder / "=1+1.zip").write_bytes(b"junk")
    paths = write_leaderboard(build_leaderboard(folder), tmp_path / "out")
    page, text, scores, refusals = (path.read_text(encoding="utf-8") for path in paths)
    assert "<script>" not in page
    assert "<script>" not in text
    assert "&lt;script&gt;" in page
    assert "<h2>Refused</h2>" in page
    assert "http" not in page
    assert "## Refused" in text
    rows = list(csv.DictReader(io.StringIO(scores)))
    assert {row["method"] for row in rows} == {"bpr", "<script>alert(1)</script>|"}
    (row,) = csv.DictReader(io.StringIO(refusals))
    assert row["file"] == "'=1+1.zip"
    assert "cannot be read" in row["reason"]


def test_equal_submissions_give_equal_files(submit: Callable[..., RunRecord], folder: Path, tmp_path: Path) -> None:
    submit("a.zip", "bpr", MIDDLING)
    submit("b.zip", "sasrec", GOOD)
    first, second = (write_leaderboard(build_leaderboard(folder), tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_without_runs_the_page_says_so(folder: Path, tmp_path: Path) -> None:
    paths = write_leaderboard(build_leaderboard(folder), tmp_path / "out")
    assert "No run was accepted." in paths[0].read_text()
    assert paths[2].read_text() == ""
    with pytest.raises(BenchError, match="is not a directory of submissions"):
        build_leaderboard(folder / "missing")


def test_a_check_returns_the_runs_or_says_what_is_wrong(submit: Callable[..., RunRecord], folder: Path) -> None:
    record = submit("a.zip", "bpr", MIDDLING)
    assert [one.id for one in check_submission(folder / "a.zip")] == [record.id]
    with pytest.raises(BenchError, match="expected an archive written by 'bench export'"):
        check_submission(folder / "a.csv")
