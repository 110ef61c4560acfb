"""``bench artifacts``: share trained adapters."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import (
    cache_dir_option,
    data_dir_option,
    json_option,
    require_data_dir,
    results_dir_option,
    scale_option,
)
from bench.cli.paths import InputPath, OutputPath
from bench.cli.progress.shown import line_on_stderr
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.runs.store import RunStore
    from bench.spec import RunSpec

GROUP_EXAMPLES = """\b
Examples:
  bench artifacts export reccocktail@ml-100k-drama@cold adapters.zip
  bench artifacts import adapters.zip
"""
EXPORT_EXAMPLES = """\b
Examples:
  bench artifacts export reccocktail@ml-100k-drama@cold adapters.zip
  bench artifacts export demo adapters.zip
"""
IMPORT_EXAMPLES = """\b
Examples:
  bench artifacts import adapters.zip
  bench artifacts import adapters.zip --cache-dir ~/bench-cache --json
"""


@click.group(epilog=GROUP_EXAMPLES)
def artifacts() -> None:
    """Share trained adapters, so that others can score without training."""


@artifacts.command(epilog=EXPORT_EXAMPLES)
@click.argument("names", nargs=-1, required=True, metavar="RUN|EXPERIMENT...")
@click.argument("archive", type=OutputPath())
@scale_option
@data_dir_option
@cache_dir_option
@results_dir_option
def export(
    names: tuple[str, ...],
    archive: Path,
    scale: str,
    data_dir: Path | None,
    cache_dir: Path,
    results_dir: Path,
) -> None:
    """Write the adapters that stored runs or experiments need to a zip ARCHIVE, about 1 MB each.

    RUN is a prefix of an id or a name of the form method@dataset@setting; EXPERIMENT is a name from
    'bench list experiments' or the path of a YAML file.
    """
    from bench.files.folders import Folders
    from bench.runs.plan import plan_of
    from bench.runs.sharing.adapter_archives import export_adapters
    from bench.runs.store import RunStore

    require_data_dir(data_dir)
    if archive.suffix.lower() != ".zip":
        raise BenchError(f"'{archive}' is not the name of an archive: the last argument must end in .zip.")
    folders, store = Folders(cache_dir, results_dir, data_dir), RunStore(results_dir)
    specs = [spec for name in names for spec in _specs_of(name, scale, store)]
    with redirect_stdout(sys.stderr):  # some libraries print
        jobs = export_adapters(plan_of(specs, folders, line_on_stderr), folders.artifacts, archive)
    size = archive.stat().st_size / 1e6
    click.echo(f"Wrote {archive}: {len(jobs)} adapter{'s' * (len(jobs) != 1)}, {size:,.1f} MB.", err=True)


@artifacts.command(name="import", epilog=IMPORT_EXAMPLES)
@click.argument("archive", type=InputPath())
@cache_dir_option
@json_option
def import_(archive: Path, cache_dir: Path, as_json: bool) -> None:
    """Check the adapters of an ARCHIVE and put them into the cache, where runs find them.

    Hashes of files and keys are recomputed; if one differs, nothing is imported. Adapters that were trained by another
    version of the code would never be used: they are listed, and not imported.
    """
    from bench.files.store import ArtifactStore
    from bench.runs.sharing.adapter_archives import import_adapters

    with redirect_stdout(sys.stderr):
        found = import_adapters(archive, ArtifactStore(cache_dir, progress=line_on_stderr))
    if as_json:
        click.echo(json.dumps([{"id": one.id, "domains": one.says, "state": one.state} for one in found], indent=2))
        return
    for one in found:
        click.echo(f"adapter {one.id}{f' ({one.says})' if one.says else ''}: {one.state}")


def _specs_of(name: str, scale: str, store: RunStore) -> list[RunSpec]:
    """Return the specs of an experiment, or of the stored runs with this name."""
    from bench.experiments.complete import complete_experiment
    from bench.experiments.reader import experiment_names
    from bench.files.yaml_fields import is_yaml_file
    from bench.registry import registry
    from bench.report.experiment_report import experiment_at

    if is_yaml_file(name) or name in experiment_names():
        return [spec for _, spec in complete_experiment(experiment_at(name, scale, registry()))]
    return [record.spec for record in store.find_seeds(name) if not record.spec.is_external]
