"""Whenever a process is killed, the next one completes with the same result, and nothing is lost or left over."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from pathlib import Path

import pytest

from bench.experiments.complete import complete_experiment
from bench.experiments.reader import load_experiment
from bench.files.folders import Folders
from bench.files.store import ArtifactStore
from bench.runs.complete import complete
from bench.runs.engine import run
from bench.runs.request import RunRequest
from bench.runs.store import RunStore
from tests.support.kills import carried_out, files, killed, killed_after
from tests.support.shop_toy import write_shop

N_KILLS = 50
EXPERIMENT = """
name: killed
caption: A grid that is killed.
datasets: {{shop: {{title: Shop, sources: [market]}}}}
settings: [warm]
metrics: [ndcg@1]
backbone: {backbone}
rows:
  - {{method: popularity, label: Popularity}}
  - {{method: text-knn, label: Text}}
  - {{method: sasrec, label: SASRec, params: {{epochs: 3}}}}
  - {{method: reccocktail, label: RecCocktail, params: {{max_examples: 32, epochs: 1}}}}
"""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    write_shop(tmp_path / "data", "shop")
    write_shop(tmp_path / "data", "market", seed=1)
    return Folders(tmp_path / "cache", tmp_path / "results", tmp_path / "data")


def make_artifact(cache_dir: Path, again: bool = False) -> None:
    def make(folder: Path) -> None:
        (folder / "weights").write_text("1 2 3")
        (folder / "facts").mkdir()
        (folder / "facts" / "one.json").write_text("{}")

    ArtifactStore(cache_dir, set() if again else None).get_or_make("models", "key", make)


def run_popularity(folders: Folders, again: bool = False) -> None:
    run(complete(RunRequest("popularity", "shop")), folders, print, again="score" if again else None)


def run_grid(experiment: Path, folders: Folders) -> None:
    for _, spec in complete_experiment(load_experiment(str(experiment))):
        run(spec, folders, print)


def results(results_dir: Path) -> dict[str, str]:
    """Return what every run ranked."""
    store = RunStore(results_dir)
    return {record.id: store.queries_of(record).sha256() for record in store.records()}


def without(folders: Folders) -> Folders:
    for folder in (folders.cache_dir, folders.results_dir):
        shutil.rmtree(folder, ignore_errors=True)
    return folders


@pytest.mark.parametrize("again", [False, True], ids=["made", "trained anew"])
def test_a_making_that_is_killed_before_any_step_is_done_again_and_leaves_nothing(tmp_path: Path, again: bool) -> None:
    make_artifact(tmp_path / "whole")
    whole = files(tmp_path / "whole")
    for step in itertools.count(1):
        cache = tmp_path / str(step)
        if again:
            make_artifact(cache)
        if not killed(cache, step, make_artifact, cache, again):
            break
        assert carried_out(make_artifact, cache)
        assert files(cache) == whole
        assert list(ArtifactStore(cache).damaged()) == []
    assert step > 5


@pytest.mark.parametrize("every", [15, pytest.param(1, marks=pytest.mark.faults)])
def test_a_run_that_is_killed_before_a_step_completes_with_the_same_ranks(folders: Folders, every: int) -> None:
    run_popularity(folders)
    whole, cached, stored = results(folders.results_dir), files(folders.cache_dir), files(folders.results_dir)
    for step in itertools.count(1, every):
        root = without(folders).cache_dir.parent
        if not killed(root, step, run_popularity, folders):
            break
        assert carried_out(run_popularity, folders)
        assert results(folders.results_dir) == whole
        assert (files(folders.cache_dir), files(folders.results_dir)) == (cached, stored)
    assert step > 20


@pytest.mark.parametrize("every", [15, pytest.param(1, marks=pytest.mark.faults)])
def test_a_run_that_is_made_again_and_killed_keeps_the_earlier_result(folders: Folders, every: int) -> None:
    run_popularity(folders)
    whole, stored = results(folders.results_dir), files(folders.results_dir)
    (record,) = folders.results_dir.glob("runs/*/run.json")
    fields = json.loads(record.read_text())
    for step in itertools.count(1, every):
        # made by other code, so that it is to be kept beside the new one
        record.write_text(json.dumps({**fields, "revisions": {"method": 0, "protocol": 0}}))
        shutil.rmtree(folders.results_dir / "superseded", ignore_errors=True)
        if not killed(folders.results_dir, step, run_popularity, folders, True):
            break
        assert results(folders.results_dir) == whole
        assert carried_out(run_popularity, folders, True)
        assert results(folders.results_dir) == whole
        kept = {str(path.relative_to(folders.results_dir)) for path in folders.results_dir.glob("superseded/*/1/*")}
        assert len(kept) == 3  # record, ranks and log
        assert files(folders.results_dir) == stored | kept
    assert step > 5


@pytest.mark.faults
def test_a_grid_that_is_killed_fifty_times_at_random_gives_the_results_of_an_undisturbed_one(
    folders: Folders, wide_encoder_folder: Path
) -> None:
    experiment = folders.cache_dir.parent / "killed.yaml"
    experiment.write_text(EXPERIMENT.format(backbone=wide_encoder_folder), encoding="utf-8")
    assert carried_out(run_grid, experiment, folders)
    whole, cached, stored = results(folders.results_dir), files(folders.cache_dir), files(folders.results_dir)
    began = time.monotonic()
    assert carried_out(run_grid, experiment, without(folders))
    seconds = time.monotonic() - began
    rng, kills = random.Random(0), 0
    while kills < N_KILLS:
        without(folders)
        for patience in itertools.count(3):  # until even the longest step fits in between
            if not killed_after(rng.uniform(0, seconds * patience / 12), run_grid, experiment, folders):
                break
            kills += 1
        assert results(folders.results_dir) == whole
        assert (files(folders.cache_dir), files(folders.results_dir)) == (cached, stored)
