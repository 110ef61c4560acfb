"""Names that the shell completes: datasets, with the user's own ones, and methods. No dataset is read for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def complete_dataset(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the datasets whose names begin with what was typed."""
    return [name for name in _datasets(context) if name.startswith(incomplete)]


def complete_datasets(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return lists of datasets, separated by commas, that continue what was typed."""
    before, comma, last = incomplete.rpartition(",")
    chosen = before.split(",")
    return [f"{before}{comma}{name}" for name in _datasets(context) if name.startswith(last) and name not in chosen]


def complete_method(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the methods whose names begin with what was typed."""
    from bench.registry import registry

    return [name for name in sorted(registry().entries) if name.startswith(incomplete)]


def complete_described(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the methods and datasets whose names begin with what was typed."""
    return [*complete_method(context, parameter, incomplete), *complete_dataset(context, parameter, incomplete)]


def _datasets(context: click.Context) -> list[str]:
    from bench.data.own_data import dataset_names
    from bench.files.folders import usual_folders

    return dataset_names(usual_folders(data_dir=context.params.get("data_dir")).data_dir)
