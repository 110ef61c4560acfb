"""Real workers: processes, two Ray nodes, and submitit's own stand-ins for Slurm do what one process does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.runs.store import RunStore
from tests.support.command_line import Outcome, call_bench
from tests.support.shop_toy import write_shop

pytestmark = pytest.mark.slow
SMALL = {"rank": 4, "alpha": 8, "max_examples": 64, "batch_size": 16, "epochs": 3, "warmup_steps": 2}
EXPERIMENT = """
name: few
caption: Few runs that share adapters.
datasets: {{shop: {{title: Shop, sources: [market]}}}}
settings: [warm]
metrics: [ndcg@1]
backbone: {backbone}
rows:
  - {{method: popularity, label: Popularity}}
  - {{method: target-only, label: Alone, params: {small}}}
  - {{method: weight-average, label: Averaged, params: {small}}}
  - {{method: target-only-equal-steps, label: As long, params: {small}}}
"""
N_ADAPTERS, N_RUNS = 4, 4
"""Target, source, both, and the target for as many steps as its hybrids take."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shop(folder, "shop")
    write_shop(folder, "market", seed=1)
    return folder


@pytest.fixture
def experiment(wide_encoder_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "few.yaml"
    path.write_text(EXPERIMENT.format(backbone=wide_encoder_folder, small=json.dumps(SMALL)))
    return path


def folders_in(tmp_path: Path, name: str, data: Path) -> Folders:
    return Folders(tmp_path / name / "cache", tmp_path / name / "results", data)


def words_of(experiment: Path, folders: Folders, *options: str) -> list[str]:
    places = ("--data-dir", folders.data_dir, "--cache-dir", folders.cache_dir, "--results-dir", folders.results_dir)
    return [str(word) for word in ("reproduce", experiment, "--device", "cpu", *places, *options)]


def reproduced(experiment: Path, folders: Folders, *options: str) -> Outcome:
    outcome = call_bench(words_of(experiment, folders, *options))
    assert outcome.code == 0, outcome.stderr
    return outcome


def ranks(folders: Folders) -> dict[str, Any]:
    store = RunStore(folders.results_dir)
    return {record.id: store.ranks(record.id)[1].better.tolist() for record in store.records()}


def n_trainings(folders: Folders) -> int:
    return sum(log.read_text().count("training an adapter") for log in (folders.results_dir / "logs").glob("*.log"))


@pytest.fixture
def undisturbed(experiment: Path, data: Path, tmp_path: Path) -> dict[str, Any]:
    """The ranks that one process gives."""
    folders = folders_in(tmp_path, "alone", data)
    reproduced(experiment, folders)
    return ranks(folders)


def test_two_processes_give_the_ranks_of_one_and_train_each_adapter_once(
    experiment: Path, data: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    folders = folders_in(tmp_path, "two", data)
    outcome = reproduced(experiment, folders, "--workers", "2")
    assert ranks(folders) == undisturbed
    assert n_trainings(folders) == N_ADAPTERS
    assert f"[{N_ADAPTERS + N_RUNS}/{N_ADAPTERS + N_RUNS}]" in outcome.stderr
    assert len(list((folders.results_dir / "logs").glob("*.log"))) == N_ADAPTERS + N_RUNS
    again = reproduced(experiment, folders, "--workers", "2")
    assert f"{N_RUNS} stored, 0 to do" in again.stderr


def children_of(process: int) -> list[int]:
    """Return the workers that a reproduction has begun, those alone that can train."""
    words = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process)]  # whole lines on a narrow terminal too
    listed = subprocess.run(words, capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "spawn_main" in line]


def wait_for(log_folder: Path, words: str, patience_seconds: float = 240) -> Path:
    """Return the first log in which the words stand."""
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        for log in log_folder.glob("*.log"):
            if words in log.read_text():
                return log
        time.sleep(0.05)
    raise AssertionError(f"no log says '{words}'")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_workers_cost_no_job(experiment: Path, data: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    folders = folders_in(tmp_path, "killed", data)
    words = [sys.executable, "-m", "bench", *words_of(experiment, folders, "--workers", "2")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        wait_for(folders.results_dir / "logs", "training an adapter")
        workers = children_of(running.pid)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        _, said = running.communicate(timeout=480)
    assert len(workers) == 2
    assert running.returncode == 0, said
    assert ranks(folders) == undisturbed
    assert not list(folders.cache_dir.rglob("checkpoint.safetensors"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_workers_end_with_the_program_that_began_them(experiment: Path, data: Path, tmp_path: Path) -> None:
    folders = folders_in(tmp_path, "orphans", data)
    words = [sys.executable, "-m", "bench", *words_of(experiment, folders, "--workers", "2")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        wait_for(folders.results_dir / "logs", "training an adapter")
        workers = children_of(running.pid)
        running.kill()
    assert len(workers) == 2
    end = time.monotonic() + 60
    while any(map(is_alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))


def test_a_signal_ends_the_jobs_and_starts_none_of_them_again(experiment: Path, data: Path, tmp_path: Path) -> None:
    folders = folders_in(tmp_path, "stopped", data)
    words = [sys.executable, "-m", "bench", *words_of(experiment, folders, "--workers", "2")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        wait_for(folders.results_dir / "logs", "training an adapter")
        running.terminate()
        _, said = running.communicate(timeout=240)
    assert running.returncode == 143, said
    assert n_trainings(folders) <= 2  # one per worker; a job that starts again says so once more
    assert len(RunStore(folders.results_dir).records()) <= 1  # popularity needs no adapter


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return not re.search(r"\) Z", state)


def test_submitits_local_queue_does_what_one_process_does(
    experiment: Path, data: Path, undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    from bench.runs.executors import slurm

    class LocalQueue(slurm.SlurmQueue):
        def __init__(self, *words: Any, **facts: Any) -> None:
            super().__init__(*words, **facts, queue="local")

    monkeypatch.setattr(slurm, "SlurmQueue", LocalQueue)
    folders = folders_in(tmp_path, "slurm", data)
    reproduced(experiment, folders, "--workers", "2", "--executor", "slurm")
    assert ranks(folders) == undisturbed
    assert n_trainings(folders) == N_ADAPTERS


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    """Two Ray nodes of one worker each, on the loopback address."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def test_a_ray_node_that_is_killed_costs_no_job(
    experiment: Path, data: Path, undisturbed: dict[str, Any], tmp_path: Path, two_nodes: Any
) -> None:
    folders = folders_in(tmp_path, "ray", data)
    options = ("--workers", "2", "--executor", "ray", "--ray-address", two_nodes.address)
    words = [sys.executable, "-m", "bench", *words_of(experiment, folders, *options)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        wait_for(folders.results_dir / "logs", "training an adapter")
        two_nodes.remove_node(two_nodes.worker_nodes.copy().pop(), allow_graceful=False)
        two_nodes.add_node(num_cpus=1)
        _, said = running.communicate(timeout=480)
    assert running.returncode == 0, said
    assert ranks(folders) == undisturbed


def test_a_cluster_of_someone_else_on_this_machine_is_not_joined(two_nodes: Any) -> None:
    ray = pytest.importorskip("ray")
    from bench.runs.executors.job import Resources
    from bench.runs.executors.ray_cluster import RayCluster

    with RayCluster(1, Resources()) as cluster:
        cluster.begin([])
        assert ray.get_runtime_context().gcs_address != two_nodes.address


def test_ray_on_this_machine_listens_on_the_loopback_address_alone(
    experiment: Path, data: Path, tmp_path: Path
) -> None:
    ray = pytest.importorskip("ray")
    from bench.runs.executors.job import Resources
    from bench.runs.executors.ray_cluster import LOOPBACK, RayCluster

    with RayCluster(1, Resources()) as cluster:
        assert not ray.is_initialized()  # nothing is started for a plan without jobs
        cluster.begin([])
        addresses = {node["NodeManagerAddress"] for node in ray.nodes()}
        assert ray.get_runtime_context().gcs_address.startswith(LOOPBACK)
    assert addresses == {LOOPBACK}
    assert not ray.is_initialized()
