"""``bench candidates``: the fixed lists that every method ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.cli.completion import complete_datasets
from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    require_data_dir,
    results_dir_option,
    some_request_options,
)
from bench.cli.paths import OutputPath
from bench.cli.progress.shown import ProgressChoice, progress_options

EXAMPLES = """\b
Examples:
  bench candidates ml-100k-drama --setting cold
  bench candidates beauty --setting user-split
  bench candidates beauty --export candidates.csv
"""


@click.command(epilog=EXAMPLES)
@click.argument("dataset", shell_complete=complete_datasets)
@some_request_options("setting", "policy", "protocol_seed", "n_negatives")
@click.option("--export", type=OutputPath(), help="Write the test lists to a CSV file.")
@data_dir_option
@cache_dir_option
@results_dir_option
@progress_options
@json_option
def candidates(
    dataset: str,
    setting: Any,
    policy: Any,
    protocol_seed: int,
    n_negatives: int,
    export: Path | None,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
    choice: ProgressChoice,
    as_json: bool,
) -> None:
    """Draw a dataset's candidate lists (or read the stored ones), check them for leaks, and show their counts.

    The exported file uses the ids of the source data: user_id, positive item, then its candidates in stored order.
    """
    import numpy as np

    from bench.data.names import checked_name
    from bench.files.folders import Folders
    from bench.files.output import STANDARD_OUTPUT
    from bench.runs.tasks import Tasks
    from bench.spec import ProtocolSpec

    require_data_dir(data_dir)
    dataset = checked_name(dataset)
    spec = ProtocolSpec(dataset, setting, policy, protocol_seed, n_negatives)
    with choice.shown() as progress:
        prepared = Tasks(Folders(cache_dir, results_dir, data_dir), progress).prepared(spec)
    if export is not None:
        from bench.protocol.export import export_lists

        export_lists(prepared, export)
        click.echo(f"Wrote {export}.", err=True)
    facts = {
        "dataset": dataset,
        "setting": setting,
        "candidates_hash": prepared.candidates_hash,
        "n_negatives": n_negatives,
        "n_queries": len(prepared.test),
        "n_validation_queries": len(prepared.validation),
        "n_training_users": int((np.diff(prepared.training.indptr) > 0).sum()),
        "n_training_interactions": prepared.training.n_interactions,
        "n_cold_items": int(prepared.cold_items.sum()),
        "notes": list(prepared.domain.notes),
        "warnings": list(prepared.warnings),
    }
    is_taken = export == STANDARD_OUTPUT  # by the lists, which a program reads there
    if as_json:
        click.echo(json.dumps(facts, indent=2), err=is_taken)
        return
    for name, value in facts.items():
        text = " ".join(value) or "none" if isinstance(value, list) else value
        click.echo(f"{name.replace('_', ' ')}: {text}", err=is_taken)
