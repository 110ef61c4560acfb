"""``bench verify``: check that stored runs and cached artifacts are unchanged."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.checks import report_checks
from bench.cli.options import cache_dir_option, json_option, results_dir_option

EXAMPLES = """\b
Examples:
  bench verify
  bench verify --results-dir results/measured --json
"""


@click.command(epilog=EXAMPLES)
@cache_dir_option
@results_dir_option
@json_option
def verify(cache_dir: Path, results_dir: Path, as_json: bool) -> None:
    """Recompute all metrics and the hashes of stored runs and cached artifacts; exit with 1 if anything differs.

    Source data is checked by 'bench data verify'.
    """
    from bench.files.store import ArtifactStore
    from bench.runs.store import RunStore
    from bench.runs.verify import verify_artifacts, verify_runs

    report_checks([*verify_runs(RunStore(results_dir)), *verify_artifacts(ArtifactStore(cache_dir))], as_json)
