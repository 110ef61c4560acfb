"""Store the scores of another program as a run, checked and ranked like those of a method."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import __version__
from bench.errors import BenchError, shown
from bench.files.hashing import content_hash
from bench.files.output import require_writable
from bench.metrics import rank_positive, top_ranked
from bench.plugin import FitReport
from bench.runs.engine import checked_scores
from bench.runs.external.score_files import ScoreFile, read_scores
from bench.runs.freshness import code_revisions
from bench.runs.record import RunRecord, with_metrics
from bench.runs.store import RUNS, RunStore
from bench.runs.ties import tie_warnings
from bench.spec import EXTERNAL, ProtocolSpec, RunSpec

if TYPE_CHECKING:
    from bench.protocol.task import PreparedTask
    from bench.runs.tasks import Tasks

NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,99}")
FAMILY = "external"
METHOD = "method"
"""Name of the part of the provenance that is the method's code; for external scores it is their hash."""


@dataclass(frozen=True)
class ExternalScores:
    """A file of scores and what it contains."""

    path: Path
    method: str
    """Name of the method, with or without the prefix ``external:``."""
    protocol: ProtocolSpec
    candidates_hash: str | None = None
    """Hash of the scored candidates; not needed if the file states it."""
    seed: int = 0
    """Seed of the other program's training."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Hyperparameters of the other program, to distinguish variants."""
    note: str = ""
    """Where the scores come from, for readers of the results."""

    def spec(self) -> RunSpec:
        """Return the specification of the run; raise BenchError for an invalid name."""
        name = self.method.removeprefix(EXTERNAL)
        if not NAME.fullmatch(name):
            near = name.lower()
            hint = f" Did you mean {near}?" if NAME.fullmatch(near) else ""
            raise BenchError(
                f"'{shown(name)}' is not a valid name of a method: use at most 100 lower-case letters, digits, '.', "
                f"'_', '+' and '-', a letter or a digit first.{hint}"
            )
        params = {key: _parsed(value) for key, value in self.params.items()}
        return RunSpec(method=EXTERNAL + name, protocol=self.protocol, params=params, seed=self.seed)


def import_scores(given: ExternalScores, tasks: Tasks, *, force: bool = False) -> tuple[RunRecord, bool]:
    """Check scores as a method's scores are checked, rank the positives and store the run.

    Args:
        given: The scores.
        tasks: Prepares the dataset, whose candidates must be those that were scored.
        force: Whether to replace other scores that are stored under the same name.

    Returns:
        The stored record, and whether it was stored now; it was not if equal scores are stored already.

    Raises:
        BenchError: the name or the file is invalid, the candidates are others, or other scores are stored.
    """
    spec, store = given.spec(), RunStore(tasks.folders.results_dir)
    require_writable(tasks.folders.results_dir / RUNS)
    prepared = tasks.prepared(spec.protocol)
    queries = prepared.test.queries
    file = read_scores(given.path, *queries.candidates.shape)
    _check_candidates(given, file, prepared)
    scores = checked_scores(spec.method, file.scores, queries)
    record = _record(given, spec, prepared, tasks.content_hash(spec.protocol.dataset), content_hash(scores))
    if store.exists(record.id) and not force:
        stored = store.load(record.id)
        if stored.provenance != record.provenance:
            raise BenchError(
                f"Run {record.id} ({record.token}) has other scores or was scored on other data: give --force to "
                "replace it, or import under another --method, --seed or -p."
            )
        return store.derived(stored), False
    positive_column = prepared.test.answers.positive_column
    ranks = rank_positive(scores, positive_column)
    record = with_metrics(record, ranks)
    record = dataclasses.replace(record, warnings=[*record.warnings, *tie_warnings(record)])
    tops = top_ranked(scores, queries.candidates, positive_column, prepared.training.item_counts())
    return store.save(record, queries.users, ranks, tops), True


def _check_candidates(given: ExternalScores, file: ScoreFile, prepared: PreparedTask) -> None:
    """Raise BenchError unless the hash of the scored candidates is known and that of the task."""
    stated = {one for one in (given.candidates_hash, file.candidates_hash) if one}
    expected, protocol = prepared.candidates_hash, prepared.spec
    if not stated:
        raise BenchError(
            f"The candidates of {given.path} are not known: give --task DIRECTORY or --candidates-hash, or add a "
            "column candidates_hash. 'bench export-task' writes the hash to task.json."
        )
    wrong = sorted(stated - {expected})
    if wrong:
        raise BenchError(
            f"{given.path} has scores for candidates {shown(wrong[0])}, but those of {protocol.dataset} "
            f"{protocol.setting} are {expected}: export the task again and score these."
        )


def _record(
    given: ExternalScores, spec: RunSpec, prepared: PreparedTask, data_hash: str, scores_hash: str
) -> RunRecord:
    return RunRecord(
        id=spec.hash(),
        spec=spec,
        family=FAMILY,
        metrics={},
        candidates_hash=prepared.candidates_hash,
        n_queries=len(prepared.test),
        tie_rate=0.0,
        bench_version=__version__,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        overrides=dict(spec.params),
        device=FAMILY,
        fit=FitReport(extra={"scores_file": given.path.name, "scores_hash": scores_hash}),
        notes=[*prepared.domain.notes, *([given.note] if given.note else [])],
        warnings=list(prepared.warnings),
        data={spec.protocol.dataset: data_hash},
        revisions={METHOD: f"scores {scores_hash}", **code_revisions(spec)},
    )


def _parsed(text: str) -> Any:
    """Return a parameter as a number or a truth value if it is one, so that tables compare it with those of YAML."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) and math.isfinite(value) else text
