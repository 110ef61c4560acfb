"""``bench new``: start a baseline from a template."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bench.templates.fill import Names, Place

EMBEDDED_DATASET = "ml-100k-drama"
"""A dataset that needs no download."""


EXAMPLES = """\b
Examples:
  bench new baseline my-method
  bench new baseline my-method --trained
  bench new baseline my-method --directory ~/my-recommenders
"""


@click.group(epilog=EXAMPLES)
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
