"""Read submitted runs: verify each file, and refuse runs that cannot be ranked with the others."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.files.hashing import canonical_json
from bench.files.shipped import shipped_folder
from bench.report.tables.values import check_same_candidates, check_same_data, check_same_queries
from bench.runs.record import RunRecord
from bench.runs.sharing.run_archives import checked_store, is_same, verified_runs
from bench.runs.store import RECORD, RUNS, RunStore

SUFFIXES = (".zip", ".json")


@dataclass(frozen=True)
class Submitted:
    """A submitted run that was accepted."""

    record: RunRecord
    place: str
    """The file that it came from, relative to the folder of submissions."""


@dataclass(frozen=True)
class Refusal:
    """A submission, or one of its runs, that was not accepted."""

    place: str
    run: str
    """The run, as ``method@dataset@setting@seedN``; empty if the whole file is refused."""
    reason: str


def check_submission(path: Path) -> list[RunRecord]:
    """Return the runs of a submitted file; raise BenchError if the file or one of its runs is not valid."""
    with _opened(path) as store:
        return store.records()


def read_submissions(folder: Path, store: RunStore) -> tuple[list[Submitted], list[Refusal]]:
    """Verify all submissions in a folder and its subfolders, and store the accepted runs.

    Args:
        folder: Contains ``.zip`` archives, and ``run.json`` files next to their ranks. Other files are ignored.
        store: An empty store for the accepted runs.

    Returns:
        The accepted runs and what was refused, both in the order of the files' names.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder} is not a directory of submissions.")
    accepted: list[Submitted] = []
    refused: list[Refusal] = []
    for path in submitted_files(folder):
        place = path.relative_to(folder).as_posix()
        try:
            with _opened(path) as theirs:
                for record in theirs.records():
                    _take(record, theirs, place, store, accepted, refused)
        except BenchError as error:
            refused.append(Refusal(place, "", str(error).removeprefix(f"{path} ").replace(f"{folder}/", "")))
    kept, unequal = _comparable(accepted, store)
    return kept, sorted([*refused, *unequal], key=lambda one: (one.place, one.run))


def submitted_files(folder: Path) -> list[Path]:
    """Return the files in a folder that are submissions, sorted; links are not followed."""
    found = (path for path in folder.rglob("*") if path.suffix == ".zip" or path.name == RECORD)
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


@contextmanager
def _opened(path: Path) -> Iterator[RunStore]:
    """Yield a temporary store with the verified runs of an archive or of a run's directory."""
    if path.suffix.lower() not in SUFFIXES:
        raise BenchError(f"{path} is not a submission: expected an archive written by 'bench export', or a run.json.")
    if path.suffix.lower() == ".zip":
        with verified_runs(path) as store:
            yield store
        return
    with tempfile.TemporaryDirectory(prefix="bench-submission-") as name:
        yield _copied(path, RunStore(Path(name)))


def _copied(path: Path, store: RunStore) -> RunStore:
    """Copy a record and its ranks into a store under the name of its directory, and verify them there."""
    folder = store.path(path.parent.name)
    folder.mkdir(parents=True)
    for file in [path, *path.parent.glob("ranks*.parquet")]:
        if not file.is_file() or file.is_symlink():
            raise BenchError(f"{file} is not a regular file.")
        shutil.copyfile(file, folder / file.name)
    try:
        return checked_store(store)
    except BenchError as error:
        raise BenchError(str(error).replace(str(store.results_dir / RUNS), str(path.parent.parent))) from None


def _take(
    record: RunRecord,
    theirs: RunStore,
    place: str,
    store: RunStore,
    accepted: list[Submitted],
    refused: list[Refusal],
) -> None:
    """Store a verified run unless an earlier file has one of the same id."""
    earlier = next((one for one in accepted if one.record.id == record.id), None)
    if earlier is None:
        queries = theirs.queries_of(record)
        stored = store.save(record, queries.users, queries.ranks, queries.tops)
        accepted.append(Submitted(stored, place))
    elif not is_same(record, earlier.record):
        reason = f"{earlier.place} has another run with the id {record.id}"
        refused.append(Refusal(place, record.token, reason))


def _comparable(accepted: Sequence[Submitted], store: RunStore) -> tuple[list[Submitted], list[Refusal]]:
    """Separate the runs that ranked the same candidates, on the same data, as the others of their board."""
    expected = _expected_candidates(accepted)
    kept: dict[str, list[Submitted]] = {}
    refused = []
    for one in accepted:
        record, board = one.record, kept.setdefault(board_key(one.record), [])
        wanted = expected[board_key(record)]
        try:
            if record.candidates_hash != wanted:
                raise BenchError(f"it ranked the candidates {record.candidates_hash}, the others of its board {wanted}")
            others = [other.record for other in board]
            check_same_candidates([*others, record])
            check_same_data([*others, record])
            for other in others[:1]:
                users = (store.queries_of(each).users for each in (other, record))
                check_same_queries(other, next(users), record, next(users))
        except BenchError as error:
            refused.append(Refusal(one.place, record.token, str(error)))
            continue
        board.append(one)
    return [one for one in accepted if one in kept[board_key(one.record)]], refused


def board_key(record: RunRecord) -> str:
    """Return what runs of one board share, besides their candidates."""
    spec = record.spec
    return canonical_json([spec.protocol.key(), spec.full_ranking, spec.limit_queries])


def _expected_candidates(accepted: Sequence[Submitted]) -> Mapping[str, str]:
    """Return the candidates' hash of each board: that of the runs shipped with bench, else the most frequent one."""
    counted: dict[str, Counter[str]] = {}
    for one in accepted:
        counted.setdefault(board_key(one.record), Counter())[one.record.candidates_hash] += 1
    frequent = {key: counts.most_common(1)[0][0] for key, counts in counted.items()}
    shipped = {board_key(record): record.candidates_hash for record in RunStore(shipped_folder("measured")).records()}
    return {key: shipped.get(key, candidates) for key, candidates in frequent.items()}
