"""``bench doctor``: check this installation."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from bench.cli import doctor_checks
from bench.cli.options import cache_dir_option, data_dir_option, json_option, results_dir_option
from bench.errors import BenchError
from bench.files.folders import Folders

EXAMPLES = """\b
Examples:
  bench doctor
  bench doctor --json
"""


@click.command(epilog=EXAMPLES)
@data_dir_option
@cache_dir_option
@results_dir_option
@json_option
def doctor(data_dir: Path | None, cache_dir: Path, results_dir: Path, as_json: bool) -> None:
    """Check this installation and this machine; exit with 1 if a check fails.

    Checks packages and extras, backbone, datasets, plugins, the directories for data, cache and results and their
    permissions, disk space, device, GPU, threads and the Hugging Face hub.
    """
    folders = Folders(cache_dir, results_dir, data_dir)
    of_machine: dict[str, Callable[[], str]] = {name: partial(check, folders) for name, check in MACHINE_CHECKS.items()}
    checks = [_checked(name, check) for name, check in (CHECKS | of_machine).items()]
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


def _extras() -> str:
    from bench.files.extras import EXTRAS, install_command, missing_module

    missing = [extra for extra in EXTRAS if missing_module(extra)]
    installed = ", ".join(extra for extra in EXTRAS if extra not in missing) or "none"
    return f"{installed}; for {', '.join(missing)}: {install_command(*missing)}" if missing else installed


def _hugging_face_datasets() -> str:
    import importlib.util

    from bench.files.extras import missing_module

    if missing_module("lm"):
        return "not needed without the extra 'lm'"
    spec = importlib.util.find_spec("datasets")
    if spec is None or spec.origin is None:
        raise BenchError(
            "'import datasets' finds a plain directory instead of the Hugging Face package: pip install datasets"
        )
    return "'import datasets' imports the Hugging Face package"


def _minilm() -> str:
    from bench.files.extras import install_command
    from bench.lm.backbones import packaged_minilm, resolve_backbone

    if packaged_minilm() is None:
        return f"not packaged here ({install_command('minilm')}); fetched from the hub when needed"
    return f"weights match the official SHA-256, revision {resolve_backbone('minilm').revision}"


def _smollm2() -> str:
    from bench.files.extras import install_command
    from bench.lm.backbones import SMOLLM2
    from bench.lm.smollm2 import checked_smollm2, packaged_smollm2

    if packaged_smollm2() is None:
        return f"not packaged here ({install_command(SMOLLM2)})"
    checked_smollm2()
    return "4-bit weights match the expected SHA-256; converted when first used"


def _embedded_dataset() -> str:
    from bench.data.card import load_card
    from bench.data.locate import shipping_command
    from bench.data.prepare import read_source, source_of
    from bench.files.extras import is_installed

    card = load_card("ml-100k")
    if not is_installed(card.shipped_with):
        return f"{card.name} is not here ({shipping_command(card)}); it is downloaded when needed"
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
    from bench.files.extras import is_installed
    from bench.runs.environment import chosen_device

    if not is_installed("torch"):
        return f"{chosen_device('auto')}, without torch"
    return chosen_device("auto")


CHECKS: dict[str, Callable[[], str]] = {
    "packages": _packages,
    "extras": _extras,
    "Hugging Face datasets": _hugging_face_datasets,
    "minilm": _minilm,
    "smollm2": _smollm2,
    "embedded dataset": _embedded_dataset,
    "cards": _cards,
    "plugins": _plugins,
    "device": _device,
}
MACHINE_CHECKS: dict[str, Callable[[Folders], str]] = {
    "GPU": doctor_checks.gpu,
    "threads": doctor_checks.threads,
    "data": doctor_checks.data,
    "cache": doctor_checks.cache,
    "results": doctor_checks.results,
    "disk": doctor_checks.disk,
    "hub": doctor_checks.hub,
}
