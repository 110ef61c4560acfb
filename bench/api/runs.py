"""Carry out runs, and load or list stored ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from bench.api.requests import on_stderr, request_of
from bench.errors import BenchError
from bench.files.folders import AnyPath, Folders, usual_folders
from bench.plugin import LastLoaded, ProgressHook, Recommender
from bench.report.run_summary import summary, summary_html
from bench.report.trackers.tracked import require_tracker, send
from bench.runs.complete import complete
from bench.runs.engine import Again
from bench.runs.engine import run as run_spec
from bench.runs.environment import chosen_device
from bench.runs.progress.lines import as_progress
from bench.runs.record import RunRecord, describe_variant
from bench.runs.store import RunStore

if TYPE_CHECKING:
    import pandas

    from bench.runs.request import RunRequest
    from bench.runs.tasks import Tasks
    from bench.spec import Setting


@dataclass(frozen=True)
class Run:
    """One finished run. Notebooks display it as a table; ``print`` gives the output of ``bench run``."""

    record: RunRecord
    """The stored record of the run, as in its ``run.json``."""
    folders: Folders
    """Directories with its ranks and its dataset."""

    @property
    def id(self) -> str:
        """Hash of everything that defines the run; ``bench compare`` finds it by this id."""
        return self.record.id

    @property
    def name(self) -> str:
        """The run as ``method@dataset@setting@seedN``."""
        return self.record.token

    @property
    def metrics(self) -> dict[str, float]:
        """Metric -> mean over the test queries, such as ``run.metrics["ndcg@3"]``."""
        return {name: values["value"] for name, values in self.record.metrics.items()}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Metric -> 95% bootstrap interval of its mean."""
        return {name: (values["low"], values["high"]) for name, values in self.record.metrics.items()}

    def ranks(self, metrics: Sequence[str] | None = None) -> pandas.DataFrame:
        """Return the rank of the positive of every test query.

        Args:
            metrics: Metric columns; default those of the run.

        Returns:
            One row per query with the ``user_id`` and the positive's ``item_id`` from the dataset's source, its
            ``rank`` (1 is best; with ties the mean over all orders of the tied candidates), the number of other
            candidates tied with it (``ties``), and a column per metric, whose mean is the run's.

        Raises:
            BenchError: the dataset is not available or has changed, or the run was repeated since.
        """
        from bench.api.query_ranks import ranks_frame
        from bench.report.metric_names import checked_metrics

        self.check_stored()
        return ranks_frame(self.record, self.folders, checked_metrics(metrics or self.metrics))

    def check_stored(self) -> None:
        """Raise BenchError if the stored run with this id is a newer one, made with other code or data."""
        stored = RunStore(self.folders.results_dir).load(self.id)
        if (stored.created, stored.ranks_sha256) != (self.record.created, self.record.ranks_sha256):
            raise BenchError(f"Run {self.id} ({self.name}) was repeated since; use the newer one (bench.load_run).")

    def __repr__(self) -> str:
        return f"Run('{self.name}', id='{self.id}')"

    def __str__(self) -> str:
        return summary(self.record, RunStore(self.folders.results_dir))

    def _repr_html_(self) -> str:
        return summary_html(self.record, RunStore(self.folders.results_dir))


@dataclass(frozen=True)
class Runs(Sequence[Run]):
    """Runs that differ only in their seed, ordered by seed; compared and tabulated as one system."""

    runs: tuple[Run, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """Metric -> mean over the seeds of the mean over the test queries."""
        return {name: sum(run.metrics[name] for run in self) / len(self) for name in self[0].metrics}

    def ranks(self, metrics: Sequence[str] | None = None) -> pandas.DataFrame:
        """Return the concatenated ranks of all runs, with a first column ``seed``; see ``Run.ranks``."""
        import pandas

        frames = [run.ranks(metrics) for run in self]
        seeds = [run.record.spec.seed for run in self]
        for frame, seed in zip(frames, seeds, strict=True):
            frame.insert(0, "seed", seed)
        return pandas.concat(frames, ignore_index=True)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | Sequence[Run]:
        return Runs(self.runs[index]) if isinstance(index, slice) else self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    def __str__(self) -> str:
        from bench.api.results import table

        return str(table(self))

    def _repr_html_(self) -> str:
        from bench.api.results import table

        return table(self)._repr_html_()


@overload
def run(method: str | type[Recommender], dataset: str, *, seeds: None = None, **options: Any) -> Run: ...
@overload
def run(method: str | type[Recommender], dataset: str, *, seeds: Iterable[int], **options: Any) -> Runs: ...
def run(  # noqa: PLR0913  # the most common options, by name
    method: str | type[Recommender],
    dataset: str,
    *,
    setting: Setting = "warm",
    params: Mapping[str, Any] | None = None,
    seeds: Iterable[int] | None = None,
    device: str = "auto",
    force: bool = False,
    rescore: bool = False,
    track: str | None = None,
    progress: ProgressHook | None = on_stderr,
    cache_dir: AnyPath | None = None,
    results_dir: AnyPath | None = None,
    data_dir: AnyPath | None = None,
    **options: Any,
) -> Run | Runs:
    """Train a method (or load its cached model), score the test queries and store the run.

    A stored run is returned without running again, if its data, backbone and code are unchanged.

    Args:
        method: A name from ``bench list methods``, or a class decorated with ``@bench.register``.
        dataset: A name from ``bench list datasets``, or your own dataset.
        setting: The split: ``warm``, ``cold`` or ``user-split``.
        params: Hyperparameters that differ from the method's defaults; see ``bench describe METHOD``.
        seeds: Train once per seed and return all runs. With ``seed=`` instead, or neither, one run is returned.
        device: Torch device; ``auto`` uses a GPU if available.
        force: Train and score again even if the run is stored.
        rescore: Score again with the trained model even if the run is stored.
        track: Send each finished run to a tracker: ``tensorboard``, ``mlflow`` or ``wandb``.
        progress: Called with a short line before long steps and every ten seconds of long ones; None is silent.
        cache_dir: Directory for downloads, prepared data and models; default ``BENCH_CACHE``, else the platform's.
        results_dir: Directory for runs; default ``BENCH_RESULTS``, else ``./results``.
        data_dir: Directory with one subdirectory of source data per dataset; default ``BENCH_DATA``, else none.
        **options: The other options of ``bench run``, such as ``seed``, ``backbone``, ``sources``, ``limit_queries``
            or ``full_ranking``; see ``bench.RunRequest`` for all of them.

    Returns:
        A ``Run``, or a ``Runs`` if ``seeds`` is given.

    Raises:
        BenchError: a name, option or value is invalid, or data or backbone are not available.
    """
    folders = usual_folders(cache_dir, results_dir, data_dir)
    options |= {"setting": setting, "params": params}
    chosen = None if seeds is None else sorted({*seeds})
    if chosen is not None and options.get("seed") is not None:
        raise BenchError("Give seed or seeds, not both.")
    if chosen == []:
        raise BenchError("seeds is empty; expected at least one, such as seeds=[0, 1, 2].")
    seeded = [options] if chosen is None else [{**options, "seed": seed} for seed in chosen]
    requests = [request_of(method, dataset, one) for one in seeded]
    with LastLoaded() as held:
        runs = [
            Run(
                carried_out(one, folders, progress, device, force=force, rescore=rescore, held=held, track=track),
                folders,
            )
            for one in requests
        ]
    return runs[0] if chosen is None else Runs(tuple(runs))


def carried_out(  # noqa: PLR0913  # the options of bench.run that are not part of the request
    request: RunRequest,
    folders: Folders,
    progress: ProgressHook | None,
    device: str = "auto",
    *,
    force: bool = False,
    rescore: bool = False,
    held: LastLoaded | None = None,
    tasks: Tasks | None = None,
    track: str | None = None,
) -> RunRecord:
    """Return the record of the requested run, without writing to standard output; ``track`` names a tracker.

    Raises:
        BenchError: the request cannot be carried out, or both ``force`` and ``rescore`` are set.
    """
    spec = complete(request, folders.data_dir)
    if force and rescore:
        raise BenchError("force scores again as well: give it or rescore, not both.")
    if track:
        require_tracker(track)
    again: Again | None = "train" if force else "score" if rescore else None
    with redirect_stdout(sys.stderr):  # some libraries print
        record = run_spec(
            spec, folders, as_progress(progress), device=chosen_device(device), again=again, held=held, tasks=tasks
        )
        record = RunStore(folders.results_dir).derived(record)
        if track:
            send(record, track, folders.results_dir)
    return record


def load_run(
    name: str,
    *,
    cache_dir: AnyPath | None = None,
    results_dir: AnyPath | None = None,
    data_dir: AnyPath | None = None,
) -> Run:
    """Return a stored run.

    Args:
        name: A prefix of its id, or ``method@dataset@setting[@full][@seedN]``.
        cache_dir: As for ``bench.run``.
        results_dir: As for ``bench.run``.
        data_dir: As for ``bench.run``.

    Raises:
        BenchError: no run or several runs have this name.
    """
    folders = usual_folders(cache_dir, results_dir, data_dir)
    store = RunStore(folders.results_dir)
    return Run(store.derived(store.find(name)), folders)


def stored_runs(
    *,
    method: str | None = None,
    dataset: str | None = None,
    setting: Setting | None = None,
    results_dir: AnyPath | None = None,
) -> pandas.DataFrame:
    """List the stored runs.

    Args:
        method: Only runs of this method.
        dataset: Only runs on this dataset.
        setting: Only runs in this setting.
        results_dir: As for ``bench.run``.

    Returns:
        One row per run, ordered by method, dataset and setting, with ``id``, ``method``, ``dataset``, ``setting``,
        ``seed``, ``variant`` (what differs from the method's defaults), ``n_queries``, ``created``, and a column per
        metric with its mean over the queries; NaN if a run does not have it.
    """
    import pandas

    records = RunStore(usual_folders(results_dir=results_dir).results_dir).records()
    given = {"method": method, "dataset": dataset, "setting": setting}
    wanted = {name: value for name, value in given.items() if value is not None}
    chosen = [record for record in records if wanted.items() <= _place(record).items()]
    return pandas.DataFrame([_row(record) for record in chosen], columns=_columns(chosen))


def _place(record: RunRecord) -> dict[str, str]:
    protocol = record.spec.protocol
    return {"method": record.spec.method, "dataset": protocol.dataset, "setting": protocol.setting}


def _row(record: RunRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        **_place(record),
        "seed": record.spec.seed,
        "variant": describe_variant(record, of_row=True),
        "n_queries": record.n_queries,
        "created": record.created,
        **{name: values["value"] for name, values in record.metrics.items()},
    }


def _columns(records: Sequence[RunRecord]) -> list[str]:
    metrics = dict.fromkeys(name for record in records for name in record.metrics)
    return ["id", "method", "dataset", "setting", "seed", "variant", "n_queries", "created", *metrics]
