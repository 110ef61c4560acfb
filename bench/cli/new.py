"""``bench new``: start a baseline, a dataset card or an experiment from a template."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.completion import complete_datasets
from bench.cli.options import comma_separated, data_dir_option
from bench.cli.paths import DirectoryPath

if TYPE_CHECKING:
    from bench.templates.fill import Names, Place

EMBEDDED_DATASET = "ml-100k-drama"
"""A dataset that needs no download."""


GROUP_EXAMPLES = """\b
Examples:
  bench new baseline my-method
  bench new experiment my-table --datasets shop --methods popularity,text-knn,sasrec
"""
EXAMPLES = """\b
Examples:
  bench new baseline my-method
  bench new baseline my-method --trained
  bench new baseline my-method --directory ~/my-recommenders
"""
DATASET_EXAMPLES = """\b
Examples:
  bench new dataset dark-movies
  bench new dataset dark-movies --directory ~/recommendation-data
"""
EXPERIMENT_EXAMPLES = """\b
Examples:
  bench new experiment my-table
  bench new experiment my-table --datasets shop --methods popularity,text-knn,sasrec
"""
DEFAULT_METHODS = "random,popularity,text-knn"
"""Methods that need seconds, so that a new experiment shows a table at once."""


@click.group(epilog=GROUP_EXAMPLES)
def new() -> None:
    """Create files from a template."""


@new.command(epilog=EXAMPLES)
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of your own project, which provides the baseline as a plugin.",
)
@click.option("--trained", is_flag=True, help="A baseline that trains with early stopping and checkpoints.")
def baseline(name: str, directory: Path | None, trained: bool) -> None:
    """Write a small working baseline and its test, and print the next steps.

    The files go to baselines/ and tests/baselines/ of the source checkout that bench runs from, or to --directory,
    which also gets a pyproject.toml. Nothing is overwritten.
    """
    from bench.templates.fill import baseline_names, baseline_place, write_baseline

    names, place = baseline_names(name), replace(baseline_place(directory), trains=trained)
    had_project_file = place.has_project_file
    paths = write_baseline(names, place)
    for path in paths:
        click.echo(f"wrote {_shown(path)}")
    click.echo("\n".join(_next(names, place, paths[1], had_project_file)))


@new.command(epilog=DATASET_EXAMPLES)
@click.argument("name")
@click.option("--directory", type=DirectoryPath(), help="Data directory in which the dataset gets a directory.")
@data_dir_option
def dataset(name: str, directory: Path | None, data_dir: Path | None) -> None:
    """Write a dataset card that works as written, and print the next steps.

    The card goes to datasets/ of the source checkout that bench runs from, or else to your own data directory.
    Interactions of your own do not need a card: see 'bench data import'.
    """
    from bench.templates.yaml_files import write_dataset_card

    path = write_dataset_card(name, directory, data_dir)
    place = f" --data-dir {shlex.quote(_shown(directory))}" if directory else ""
    commands = [f"bench data stats {name}{place}", f"bench run --method popularity --dataset {name}{place}"]
    _tell(path, [f"edit {_shown(path)}", *commands])


@new.command(epilog=EXPERIMENT_EXAMPLES)
@click.argument("name")
@click.option(
    "--datasets",
    default=EMBEDDED_DATASET,
    show_default=True,
    shell_complete=complete_datasets,
    help="Columns, comma-separated.",
)
@click.option("--methods", default=DEFAULT_METHODS, show_default=True, help="Rows, comma-separated.")
@click.option(
    "--source-datasets",
    default="",
    shell_complete=complete_datasets,
    help="Source datasets of methods that transfer, instead of those on the datasets' cards.",
)
@click.option(
    "--directory", type=DirectoryPath(), default=".", show_default="the current one", help="Directory of the file."
)
@data_dir_option
def experiment(
    name: str, datasets: str, methods: str, source_datasets: str, directory: Path, data_dir: Path | None
) -> None:
    """Write an experiment, NAME.yaml, that can be run as written, and print the next steps."""
    from bench.templates.yaml_files import write_experiment

    columns, rows, sources = (comma_separated(words) for words in (datasets, methods, source_datasets))
    path = write_experiment(name, columns, rows, sources, directory, data_dir)
    file = shlex.quote(_shown(path))
    _tell(path, [f"edit {file}", *(f"bench {word} {file}" for word in ("plan", "reproduce", "table"))])


def _tell(path: Path, commands: list[str]) -> None:
    click.echo(f"wrote {_shown(path)}")
    click.echo("\n".join(["next:", *(f"  {command}" for command in commands)]))


def _shown(path: Path) -> str:
    """Return the path as the user would type it in the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _next(names: Names, place: Place, test: Path, had_project_file: bool) -> list[str]:
    """Return the user's next steps, one command per line."""
    lines = []
    if not place.is_checkout and had_project_file:
        lines += [
            f"{place.root / 'pyproject.toml'} already exists; add to it:",
            f'  [project.entry-points."bench.plugins"]  {names.entry_point}',
            f'  [tool.setuptools]  py-modules = [..., "{names.module}"]',
        ]
    install = [f"pip install --no-build-isolation --editable {shlex.quote(_shown(place.root))}"]
    commands = [
        *(install if not place.is_checkout else []),
        f"bench check {names.name}",
        f"pytest {shlex.quote(_shown(test))}",
        f"bench run --method {names.name} --dataset {EMBEDDED_DATASET}",
    ]
    return [*lines, "next:", *(f"  {command}" for command in commands)]
