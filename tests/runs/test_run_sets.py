"""The runs of one set share a loaded backbone and its adapters, and score as each would alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench.lm.encoders.text_encoder
import bench.lm.training.library
from bench.files.folders import Folders
from bench.plugin import LastLoaded
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.record import RunRecord
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from tests.support.command_line import call_bench
from tests.support.shop_toy import write_shop

SMALL = {"rank": 4, "alpha": 8, "max_examples": 64, "batch_size": 16, "epochs": 3, "warmup_steps": 2}
ALPHAS = (0.0, 0.35, 1.0)
EXPERIMENT = """
name: sweep
caption: Three weights of the target's adapter.
datasets: {{shop: {{title: Shop, sources: [market]}}}}
settings: [warm]
metrics: [ndcg@1]
backbone: {backbone}
rows:
{rows}
"""


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("shops")
    write_shop(root / "data", "shop")
    write_shop(root / "data", "market", seed=1)
    return Folders(root / "cache", root / "results", root / "data")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the loads of an encoder and the trainings of an adapter."""
    counts = {"load_encoder": 0, "train_adapter": 0}
    for module, name in (
        (bench.lm.encoders.text_encoder, "load_encoder"),
        (bench.lm.training.library, "train_adapter"),
    ):
        inner: Callable[..., Any] = getattr(module, name)

        def counting(*words: Any, name: str = name, inner: Callable[..., Any] = inner) -> Any:
            counts[name] += 1
            return inner(*words)

        monkeypatch.setattr(module, name, counting)
    return counts


def sweep(folders: Folders, backbone: Path, held: LastLoaded | None) -> list[RunRecord]:
    records = []
    for alpha in ALPHAS:
        params = {**SMALL, "target_weight": alpha}
        spec = complete(RunRequest("weaverec", "shop", params=params, sources=("market",), backbone=str(backbone)))
        records.append(run(spec, folders, lambda _line: None, held=held))
    return records


def test_three_points_of_a_sweep_load_the_backbone_once_and_train_its_adapters_once(
    shops: Folders, wide_encoder_folder: Path, counted: dict[str, int], tmp_path: Path
) -> None:
    rows = "\n".join(
        f"  - {{method: weaverec, label: α {alpha}, params: {{{', '.join(f'{k}: {v}' for k, v in SMALL.items())}, "
        f"target_weight: {alpha}}}}}"
        for alpha in ALPHAS
    )
    path = tmp_path / "sweep.yaml"
    path.write_text(EXPERIMENT.format(backbone=wide_encoder_folder, rows=rows))
    folders = ("--data-dir", shops.data_dir, "--cache-dir", tmp_path / "cache", "--results-dir", tmp_path / "results")
    outcome = call_bench(map(str, ("reproduce", path, "--device", "cpu", *folders)))
    assert outcome.code == 0, outcome.stderr
    assert counted == {"load_encoder": 1, "train_adapter": 2}
    assert len(RunStore(tmp_path / "results").records()) == 3


def test_a_shared_model_scores_as_one_of_its_own(
    shops: Folders, wide_encoder_folder: Path, counted: dict[str, int], tmp_path: Path
) -> None:
    """The first run with the shared model also trains on it; those after it find it as it was."""
    with LastLoaded() as held:
        together = sweep(
            dataclasses.replace(shops, cache_dir=tmp_path, results_dir=tmp_path), wide_encoder_folder, held
        )
    assert counted == {"load_encoder": 1, "train_adapter": 2}
    alone = sweep(
        dataclasses.replace(shops, cache_dir=tmp_path / "b", results_dir=tmp_path / "b"), wide_encoder_folder, None
    )
    assert counted["load_encoder"] == 1 + len(ALPHAS)
    assert [record.metrics for record in together] == [record.metrics for record in alone]
    assert len({record.metrics["mrr@5"]["value"] for record in together}) > 1


def test_another_backbone_takes_the_place_of_the_first(
    shops: Folders, pico_encoder_folder: Path, pico_folder: Path, counted: dict[str, int], tmp_path: Path
) -> None:
    folders = dataclasses.replace(shops, results_dir=tmp_path)
    kinds = []
    with LastLoaded() as held:
        for seed, backbone in enumerate((pico_encoder_folder, pico_encoder_folder, pico_folder, pico_encoder_folder)):
            spec = complete(RunRequest("zeroshot", "shop", backbone=str(backbone), seed=seed, limit_queries=2))
            record = run(spec, folders, lambda _line: None, held=held)
            kinds.append(record.backbone["kind"] if record.backbone else None)
    assert kinds == ["encoder", "encoder", "causal", "encoder"]
    assert counted["load_encoder"] == 2
