"""Archives of trained adapters, about 1 MB each: checked before they are put into the cache.

An archive contains ``adapters/<id>/`` with the files of each adapter and its ``made.json``, whose key hashes to the id.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import __version__
from bench.errors import BenchError, shown
from bench.files.archives import unpacked, write_archive
from bench.files.extras import require
from bench.files.hashing import content_hash
from bench.files.store import FILES, KEY, MADE, damage, read_json

if TYPE_CHECKING:
    from bench.files.archives import Archive
    from bench.files.store import ArtifactStore
    from bench.runs.plan import AdapterJob, Plan

KIND = "adapters"
NAMES = re.compile(rf"{KIND}/[0-9a-f]{{16}}/(made\.json|adapter\.json|adapter\.safetensors)")
READERS = (
    "bench.lm.encoders.towers",
    "bench.lm.decoders.likelihood",
    "bench.lm.decoders.lists",
    "bench.lm.pairs.model",
    "bench.baselines.tallrec_yesno",
)
"""Modules with the classes that train adapters."""


@dataclass(frozen=True)
class SharedAdapter:
    """An adapter of an archive."""

    id: str
    state: str
    """``imported``, ``cached already``, or why it was not imported."""
    says: str = ""
    """The domains, as stated by the archive, for messages."""


def export_adapters(plan: Plan, artifacts: ArtifactStore, path: Path) -> tuple[AdapterJob, ...]:
    """Write the adapters that the runs of a plan need; return them.

    Raises:
        BenchError: the runs need no adapters, or one of them is not trained or damaged.
    """
    jobs = tuple(job for job in plan.adapters if job.adapter.kind == KIND)
    if not jobs:
        raise BenchError("These runs need no adapters; only adapter methods of language models do.")
    missing = [" + ".join(job.adapter.names) for job in jobs if not job.is_done]
    if missing:
        raise BenchError(
            f"{len(missing)} of {len(jobs)} adapters are not trained yet, the first of them on {missing[0]}: "
            "'bench plan' lists them, 'bench run' and 'bench reproduce' train them."
        )
    files = {name: content for job in jobs for name, content in _files_of(artifacts, job.id).items()}
    described = {job.id: {"domains": list(job.adapter.names), "backbone": job.backbone} for job in jobs}
    write_archive(path, KIND, files, {"bench_version": __version__, "adapters": described})
    return jobs


def import_adapters(path: Path, artifacts: ArtifactStore) -> list[SharedAdapter]:
    """Put the adapters of an archive that this version of the code would look for into the cache.

    Raises:
        BenchError: the archive is not what it states to be, or the packages for language models are not installed.
    """
    require("Importing adapters", "lm")
    with unpacked(path, KIND, NAMES) as archive:
        ids = sorted({name.split("/")[1] for name in archive.files})
        keys = {adapter: _checked_key(path, archive, adapter) for adapter in ids}
        current = current_objectives()
        return [_imported(archive, adapter, keys[adapter], artifacts, current) for adapter in ids]


def current_objectives() -> frozenset[str]:
    """Return the objectives, with the revisions of the training code, that keys of adapters have today."""
    from bench.lm.language_model import LanguageModel
    from bench.lm.training.library import revised_objective

    for module in READERS:
        importlib.import_module(module)
    return frozenset(revised_objective(one) for one in _subclasses(LanguageModel) if hasattr(one, "objective"))


def _subclasses(of: type[Any]) -> Iterator[type[Any]]:
    for one in of.__subclasses__():
        yield one
        yield from _subclasses(one)


def _files_of(artifacts: ArtifactStore, adapter: str) -> dict[str, bytes]:
    """Return the files of a trained adapter by their names in an archive."""
    folder = artifacts.place(KIND, adapter)
    wrong = damage(folder)
    if wrong or content_hash(read_json(folder / MADE)[KEY]) != adapter:
        raise BenchError(f"{folder} is damaged ({wrong or 'its key is another'}): run its method again.")
    return {f"{KIND}/{adapter}/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}


def _checked_key(path: Path, archive: Archive, adapter: str) -> dict[str, Any]:
    """Return the key of an adapter; raise BenchError if its files are not those of its id."""
    from bench.lm.adapters.adapter import load_adapter

    folder = archive.folder / KIND / adapter
    try:
        made = read_json(folder / MADE)
        key, files = made[KEY], set(made[FILES])
        wrong = "its key is that of another" if content_hash(key) != adapter else damage(folder)
        if files | {MADE} != {one.name for one in folder.iterdir()}:
            wrong = f"it has other files than its {MADE} lists"
        if not isinstance(key, dict):
            wrong = "its key is not a mapping"
        if wrong is None:
            load_adapter(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        wrong = f"{type(error).__name__}: {error}"
    except BenchError as error:
        wrong = str(error).replace(f"{folder}/", "")
    if wrong:
        raise BenchError(f"{path} is refused: adapter {adapter} is not what it states to be ({wrong}).")
    return dict(key)


def _imported(
    archive: Archive, adapter: str, key: dict[str, Any], artifacts: ArtifactStore, current: frozenset[str]
) -> SharedAdapter:
    """Put an adapter into the cache unless it is there or no run of this version would look for it."""
    says, objective = _described(archive, adapter), str(key.get("objective", ""))
    if objective not in current:
        state = f"not imported, trained by another version of the code ({shown(objective)})"
        return SharedAdapter(adapter, state, says)
    source, target = archive.folder / KIND / adapter, artifacts.path(KIND, key)
    if artifacts.made(KIND, key) and damage(target) is None:
        is_same = read_json(target / MADE)[FILES] == read_json(source / MADE)[FILES]
        return SharedAdapter(adapter, "cached already" if is_same else "not imported, the cached one differs", says)

    def make(folder: Path) -> None:
        for file in source.iterdir():
            if file.name != MADE:
                (folder / file.name).write_bytes(file.read_bytes())

    artifacts.get_or_make(KIND, key, make)
    return SharedAdapter(adapter, "imported", says)


def _described(archive: Archive, adapter: str) -> str:
    """Return the domains that the archive states for an adapter, which is only used in messages."""
    try:
        return shown(" + ".join(map(str, archive.facts["adapters"][adapter]["domains"])))
    except (LookupError, TypeError):
        return ""
