"""Describe a stored run in words, for ``bench show``: results, facts, learning curves and the command to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tabulate import tabulate

from bench.errors import BenchError
from bench.learning.convergence import IN_WORDS
from bench.progress import duration
from bench.report.page.run_facts import TITLES, curves
from bench.report.run_summary import results
from bench.report.terminal_chart import chart
from bench.runs.complete import complete
from bench.runs.find import shown_time
from bench.runs.request import RunRequest

if TYPE_CHECKING:
    from bench.plugin import AdapterReport, TrainingReport
    from bench.report.page.content import Curve
    from bench.runs.record import RunRecord
    from bench.runs.store import RunStore

MOST_CURVES = 4
"""Learning curves that are drawn."""
MEBIBYTE = 2**20


def describe_run(record: RunRecord, store: RunStore, n_earlier: int = 0) -> str:
    """Return a description of a run.

    Args:
        record: The record, with metrics computed from its ranks.
        store: The store that contains it.
        n_earlier: Number of earlier versions that are kept.
    """
    rows = [*_identity(record), *_fit(record), *_cost(record), ("stored in", str(store.place(record.id)))]
    if n_earlier:
        rows.append(("earlier versions", f"{n_earlier}, made with other data or code"))
    facts = tabulate(rows, tablefmt="plain", disable_numparse=True)
    return "\n\n".join([results(record, store), facts, *_charts(record), f"Repeat it:\n  {repeating_command(record)}"])


def repeating_command(record: RunRecord) -> str:
    """Return the shell command that repeats a run, with all parameters if the method's defaults have changed since."""
    short = RunRequest.of(record.spec, record.overrides)
    try:
        is_same = complete(short).hash() == record.id
    except BenchError:  # the method is not installed here
        is_same = True
    request = short if is_same else RunRequest.of(record.spec, record.spec.params)
    return f"{request.command()} --force"


def _identity(record: RunRecord) -> Iterator[tuple[str, str]]:
    spec, backbone = record.spec, record.backbone
    yield "run", f"{record.id} ({record.token})"
    yield "stored", f"{shown_time(record.created)} UTC by bench {record.bench_version}"
    changed = shlex.join(f"{name}={value}" for name, value in sorted(record.overrides.items()))
    others = {name: value for name, value in spec.params.items() if name not in record.overrides}
    yield "parameters", changed or "the method's defaults"
    if others:
        yield "defaults", " ".join(f"{name}={value}" for name, value in sorted(others.items()))
    if backbone is not None:
        yield "language model", f"{backbone['name']} ({backbone['kind']}, {backbone['revision']})"
    if record.data:
        yield "data", ", ".join(f"{name} {version}" for name, version in record.data.items())
    revisions = ", ".join(f"{part} {number}" for part, number in record.revisions.items())
    yield "code", ", ".join(filter(None, [revisions and f"revision of {revisions}", _commit(record)])) or "unknown"


def _commit(record: RunRecord) -> str:
    git = record.git
    return "" if git is None else f"commit {git['commit'][:12]}{' with changes' if git['dirty'] else ''}"


def _fit(record: RunRecord) -> Iterator[tuple[str, str]]:
    fit = record.fit
    if fit.trained_parameters is not None:
        yield "trained", f"{fit.trained_parameters:,} parameters"
    for role, adapter in fit.adapters.items():
        yield f"adapter {role}", _adapter(adapter)
    for stage, training in fit.stages.items():
        yield stage, _training(training)
    if fit.training is not None:
        yield "training", _training(fit.training)
    if fit.merge is not None:
        yield "merge weights", ", ".join(f"{role} {weight:.3f}" for role, weight in fit.merge.weights.items())
    if fit.cold_rule:
        yield "cold items", fit.cold_rule
    for deviation in fit.deviations:
        yield "departs from paper", deviation


def _training(training: TrainingReport) -> str:
    if not training.trained:
        return "none"
    parts = [] if training.epochs is None else [f"{training.epochs:g} epochs"]
    parts += [] if training.best_epoch is None else [f"best after {training.best_epoch:g}"]
    parts += [] if training.seconds is None else [duration(training.seconds)]
    return ", ".join([*parts, IN_WORDS[training.ended]])


def _adapter(adapter: AdapterReport) -> str:
    parts = [adapter.id, " + ".join(adapter.domains), f"{adapter.n_examples:,} examples, {adapter.n_steps:,} steps"]
    return ", ".join([*filter(None, parts), duration(adapter.seconds), IN_WORDS[adapter.ended]])


def _cost(record: RunRecord) -> Iterator[tuple[str, str]]:
    if record.seconds:
        yield "time", ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in record.seconds.items())
    if record.peak_memory_bytes:
        peak = max(record.peak_memory_bytes.values())
        yield "peak memory", f"{peak / MEBIBYTE:,.0f} MiB"
    threads = "" if record.threads is None else f", {record.threads} thread{'s' * (record.threads != 1)}"
    yield "device", f"{record.device}{threads}"


def _charts(record: RunRecord) -> Iterator[str]:
    found = [curve for curve in curves(record.fit) if curve.title.startswith(TITLES["validation"])]
    for curve in found[:MOST_CURVES]:
        yield f"{curve.title} by epoch\n{_chart(curve)}"
    if len(found) > MOST_CURVES:
        yield f"{len(found) - MOST_CURVES} more curves are on the page of 'bench report'."


def _chart(curve: Curve) -> str:
    (values,) = curve.lines
    steps = curve.steps or tuple(curve.first_step + number for number in range(len(values)))
    return chart(values, steps, curve.kept)
