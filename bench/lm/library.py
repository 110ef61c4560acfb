"""The adapters that exist: each distinct one is trained once and found again by what made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.data.domain import Domain
from bench.lm.adapters import Adapter, AdapterSpec, LoraRecipe, load_adapter, save_adapter
from bench.lm.language_model import LanguageModel
from bench.lm.lora import train_adapter
from bench.plugin import ProgressHook
from bench.store import ArtefactStore

ADAPTER_KIND = "adapters"
TRAINING_REVISION = 1
"""Raised whenever the same spec would train another adapter; part of every adapter's key."""


def adapter_spec(
    revision: str, objective: str, domains: Sequence[Domain], recipe: LoraRecipe, seed: int, start: str | None = None
) -> AdapterSpec:
    """Describe the adapter of one backbone revision trained on these domains."""
    by_hash = sorted(domains, key=lambda domain: domain.content_hash)
    return AdapterSpec(
        backbone=revision,
        domains=tuple(domain.content_hash for domain in by_hash),
        recipe=recipe,
        seed=seed,
        start=start,
        objective=f"{objective}, revision {TRAINING_REVISION}",
        names=tuple(domain.name for domain in by_hash),
    )


def trained_adapter(
    language_model: LanguageModel,
    domains: Sequence[Domain],
    recipe: LoraRecipe,
    seed: int,
    artefacts: ArtefactStore,
    progress: ProgressHook,
) -> tuple[Adapter, dict[str, Any]]:
    """Return the adapter for these domains, trained now if it never was, and the facts of its training."""
    spec = adapter_spec(language_model.backbone.revision, language_model.objective, domains, recipe, seed)

    def make(folder: Path) -> None:
        progress(f"training an adapter on {', '.join(spec.names)}")
        adapter, log = train_adapter(language_model, domains, recipe, seed, progress)
        save_adapter(folder, adapter, {"training": asdict(log), "domains": list(spec.names)})

    folder = artefacts.get_or_make(ADAPTER_KIND, spec.key(), make)
    adapter, facts = load_adapter(folder)
    return adapter, {"hash": folder.name, "domains": facts["domains"], **facts["training"]}
