"""Carry out runs: prepare the task, fit the recommender, rank its scores and store the record."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench import __version__
from bench.errors import BenchError
from bench.files.output import require_writable
from bench.learning.team import current_team
from bench.metrics import Ranks, Tops, rank_positive, top_ranked
from bench.plugin import (
    Answers,
    Entry,
    FitReport,
    LastLoaded,
    PrivilegedRecommender,
    ProgressHook,
    Queries,
    Recommender,
    Task,
)
from bench.progress import Note, Phase, Phases, tell
from bench.protocol.full_ranking import Ask, rank_in_catalogue
from bench.protocol.sources import source_warnings
from bench.registry import registry
from bench.runs.environment import (
    Meter,
    computing_threads,
    git_state,
    package_versions,
    without_planned_attention,
)
from bench.runs.freshness import freshness_of, provenance_of
from bench.runs.params import overrides
from bench.runs.progress.phases import ADAPTER, FIT, PREPARE, SCORE, phases_of
from bench.runs.record import RunRecord, with_metrics
from bench.runs.store import RUNS, RunStore
from bench.runs.tasks import Tasks, recommender_of
from bench.runs.ties import tie_warnings

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.protocol.task import PreparedTask, QuerySet
    from bench.runs.provenance import Provenance
    from bench.spec import RunSpec

Again = Literal["score", "train"]
"""What is repeated although the run is stored."""


def run(
    spec: RunSpec,
    folders: Folders,
    progress: ProgressHook,
    *,
    device: str = "cpu",
    again: Again | None = None,
    held: LastLoaded | None = None,
    tasks: Tasks | None = None,
) -> RunRecord:
    """Carry out a run and store it, or return the stored run if it was made with the same data and code.

    Args:
        spec: The run's specification.
        folders: Where to read and write.
        progress: Called with progress messages.
        device: Torch device.
        again: What is repeated even if the run is stored: ``score``, or ``train`` to train and score.
        held: Keeps what is slow to load for later runs with the same object.
        tasks: Keeps data that was read before for the same directories; unused if the run is trained again.
    """
    store = RunStore(folders.results_dir)
    if tasks is None or again == "train":
        tasks = Tasks(folders.training_anew() if again == "train" else folders, progress, device, held)
    with tasks.logged() as log:
        stored = None if again else usable(spec, store, tasks)
        current_team().of_first(stored is None)
        if stored is not None:
            return stored
        require_writable(folders.results_dir / RUNS)  # before a long training, not after it
        registry().entry(spec.method).require_installed()
        with without_planned_attention(device):
            record, users, ranks, tops = _carried_out(spec, tasks, device)
        log.keep(f"finished: {', '.join(f'{phase} {seconds:.1f} s' for phase, seconds in record.seconds.items())}")
    return store.save(record, users, ranks, tops, log.text(folders, record))


def _carried_out(spec: RunSpec, tasks: Tasks, device: str) -> tuple[RunRecord, NDArray[np.int64], Ranks, Tops]:
    """Prepare, fit and score; return the record with the users of the queries, their ranks and top-ranked items."""
    entry, recommender, progress = registry().entry(spec.method), recommender_of(spec), tasks.progress
    meter = Meter()
    tell(progress, Phase(PREPARE))
    with meter.phase("prepare"), tasks.naming_missing_files(spec):
        prepared, task = tasks.prepared(spec.protocol), tasks.task(spec)
        queries = prepared.test.sample(spec.limit_queries, spec.protocol.seed)
        provenance = provenance_of(spec, tasks)  # before a long fit, in which files may be edited
    phases = phases_of(recommender, task)
    tell(progress, phases)
    if FIT in phases.names:  # else the method tells of each adapter that it trains
        tell(progress, Phase(FIT))
    with meter.phase("fit"):
        recommender.fit(task)

    def ask(asked: QuerySet) -> NDArray[np.floating]:
        return checked_scores(spec.method, _scores(recommender, entry, asked), asked.queries)

    tell(progress, Phase(SCORE))
    with meter.phase("score"):
        ranks, tops, catalogue = _ranked(spec, ask, queries, prepared, progress)
    record = _record(spec, entry, recommender, prepared, queries, task, provenance, meter)
    record = with_metrics(dataclasses.replace(record, catalogue=catalogue, device=device), ranks)
    record = dataclasses.replace(record, warnings=[*record.warnings, *tie_warnings(record)])
    return record, queries.queries.users, ranks, tops


def fit_along(spec: RunSpec, tasks: Tasks) -> None:
    """Train the adapters of a run together with the process that carries it out, unless it reuses a stored run."""
    if current_team().of_first(value=False):
        with without_planned_attention(tasks.device):
            recommender_of(spec).fit(tasks.task(spec))


def train_adapter(
    spec: RunSpec,
    adapter: str,
    folders: Folders,
    progress: ProgressHook,
    *,
    device: str = "cpu",
    held: LastLoaded | None = None,
) -> None:
    """Train one adapter of a run by its id in the plan; the adapters that it needs must already be trained."""
    tell(progress, Phases((PREPARE, ADAPTER)))
    tell(progress, Phase(PREPARE))
    with without_planned_attention(device):
        recommender_of(spec).train_adapter(Tasks(folders, progress, device, held).task(spec), adapter)


def usable(spec: RunSpec, store: RunStore, tasks: Tasks) -> RunRecord | None:
    """Return the stored run of a spec if it can be reused, and report why or why not."""
    run_id, progress = spec.hash(), tasks.progress
    if not store.exists(run_id):
        return None
    record = store.load(run_id)
    store.queries_of(record)  # raises if the ranks are not those that were stored
    store.tidy(record)
    freshness = freshness_of(record, tasks)
    if not freshness.is_fresh:
        tell(progress, Note(f"run {run_id} is stored, but {'; '.join(freshness.differences)}: running it again"))
        return None
    unchecked = f" (data not checked: {freshness.unchecked})" if freshness.unchecked else ""
    tell(progress, Note(f"reusing stored run {run_id}{unchecked}; use --rescore to score or --force to train it again"))
    return record


def checked_scores(method: str, scores: Any, queries: Queries) -> NDArray[np.floating]:
    """Return a plugin's scores if they are one finite or infinite number per candidate.

    Raises:
        BenchError: wrong shape or type, or NaN; the message names the plugin.
    """
    array = _as_array(method, scores)
    if array.shape != queries.candidates.shape or not np.issubdtype(array.dtype, np.floating):
        raise BenchError(
            f"Method '{method}' returned scores of shape {array.shape} and type {array.dtype}; expected floats of "
            f"shape {queries.candidates.shape}, one per candidate."
        )
    n_bad = int(np.isnan(array).any(axis=1).sum())
    if n_bad:
        raise BenchError(f"Method '{method}' returned NaN for {n_bad} of {len(array)} queries; nothing was stored.")
    return array


def checked_report(method: str, report: Any) -> FitReport:
    """Return a plugin's report as stored in a record; raise BenchError with the plugin's name if it is not JSON."""
    if not isinstance(report, FitReport):
        raise BenchError(
            f"Method '{method}' returned a {type(report).__name__} as its report, expected a FitReport; nothing was "
            "stored."
        )
    try:
        return FitReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise BenchError(
            f"Method '{method}' returned a report that cannot be saved as JSON ({error}); nothing was stored."
        ) from error


def fit_report(method: str, entry: Entry, recommender: Recommender) -> FitReport:
    """Return a recommender's report of its fit, with its cold rule and its deviations, in a form that JSON supports."""
    report, deviations = recommender.report(), recommender.deviations()
    if isinstance(report, FitReport):
        report = dataclasses.replace(report, cold_rule=entry.cold_rule, deviations=deviations)
    return checked_report(method, report)


def _as_array(method: str, scores: Any) -> NDArray[Any]:
    try:
        return np.asarray(scores)
    except ValueError as error:
        raise BenchError(f"Method '{method}' returned scores that are not an array: {error}.") from error


def _scores(recommender: Recommender, entry: Entry, queries: QuerySet) -> Any:
    """Return the recommender's scores; only a privileged control is passed the answers."""
    if entry.privileged and isinstance(recommender, PrivilegedRecommender):
        return recommender.score_with_answers(queries.queries, Answers(queries.answers.positive_column.copy()))
    return recommender.score(queries.queries)


def _ranked(
    spec: RunSpec, ask: Ask, queries: QuerySet, prepared: PreparedTask, progress: ProgressHook
) -> tuple[Ranks, Tops, dict[str, float] | None]:
    """Rank the positives in their frozen lists, or in the whole catalogue with the record's facts about it."""
    counts = prepared.training.item_counts()
    if not spec.full_ranking:
        scores, positive_column = ask(queries), queries.answers.positive_column
        tops = top_ranked(scores, queries.queries.candidates, positive_column, counts)
        return rank_positive(scores, positive_column), tops, None
    ranked = rank_in_catalogue(spec.method, ask, queries, prepared.domain, counts, progress)
    return ranked.ranks, ranked.tops, ranked.facts()


def _record(
    spec: RunSpec,
    entry: Entry,
    recommender: Recommender,
    prepared: PreparedTask,
    queries: QuerySet,
    task: Task,
    provenance: Provenance,
    meter: Meter,
) -> RunRecord:
    backbone = _backbone_facts(task, entry)
    return RunRecord(
        id=spec.hash(),
        spec=spec,
        data=dict(provenance.data),
        revisions=dict(provenance.revisions),
        family=entry.family,
        metrics={},
        candidates_hash=provenance.candidates,
        n_queries=len(queries),
        tie_rate=0.0,
        bench_version=__version__,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        overrides=overrides(recommender.params),
        seconds=meter.seconds,
        peak_memory_bytes=meter.peak_memory_bytes,
        threads=computing_threads(),
        versions=package_versions(),
        git=git_state(Path(__file__).parents[1]),
        backbone=None if backbone is None else {key: backbone[key] for key in ("name", "kind", "revision")},
        toy=bool(backbone and backbone["toy"]),
        transductive=entry.transductive,
        fit=fit_report(spec.method, entry, recommender),
        notes=list(prepared.domain.notes),
        warnings=[
            *prepared.warnings,
            *(warning for source in task.sources for warning in source_warnings(source, prepared)),
        ],
    )


def _backbone_facts(task: Task, entry: Entry) -> dict[str, Any] | None:
    if task.backbone is None:
        return None
    from bench.lm.loading import task_backbone

    backbone = task_backbone(task, entry.backbone_kind)
    return {"name": backbone.name, "kind": backbone.kind, "revision": backbone.revision, "toy": backbone.toy}
