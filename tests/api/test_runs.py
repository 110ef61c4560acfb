"""``bench.run`` and what it returns, beside what the command line stores."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.files.folders import Folders
from bench.runs.store import RunStore
from tests.support.command_line import call_bench
from tests.support.shop_toy import write_shop

QUIET: dict[str, Any] = {"progress": None, "device": "cpu"}
ALIKE = ("id", "spec", "data", "revisions", "metrics", "candidates_hash", "n_queries", "tie_rate", "overrides")
"""Fields of a record that do not tell when and where it was made."""


def last_items(folders: Folders) -> dict[str, str]:
    """Each user's last purchase, which leave-one-out asks for, read from the file of the shop itself."""
    assert folders.data_dir is not None
    with (folders.data_dir / "shop" / "interactions.csv").open(encoding="utf-8") as file:
        return {row["user_id"]: row["item_id"] for row in csv.DictReader(file)}


def test_a_run_is_what_the_command_line_stores(tmp_path: Path) -> None:
    words = ("run", "--method", "random", "--dataset", "shop", "--seed", "3", "--device", "cpu", "--json")
    told = json.loads(call_bench([*words, "--results-dir", str(tmp_path / "other")]).stdout)
    made = json.loads(json.dumps(bench.run("random", "shop", seed=3, **QUIET).record.to_json()))
    assert {name: made[name] for name in ALIKE} == {name: told[name] for name in ALIKE}


def test_what_one_stored_the_other_finds() -> None:
    words = ("run", "--method", "popularity", "--dataset", "shop", "--device", "cpu", "--json")
    told = json.loads(call_bench(words).stdout)
    assert json.loads(json.dumps(bench.run("popularity", "shop", **QUIET).record.to_json())) == told
    again = bench.run("popularity", "shop", setting="cold", **QUIET)
    found = call_bench([*words[:-1], "--setting", "cold", "--json"])
    assert json.loads(found.stdout)["created"] == again.record.created
    assert "reusing stored run" in found.stderr


def test_metrics_are_numbers_within_their_intervals() -> None:
    run = bench.run("popularity", "shop", **QUIET)
    assert run.metrics["ndcg@3"] == run.record.metrics["ndcg@3"]["value"]
    for name, (low, high) in run.intervals.items():
        assert low <= run.metrics[name] <= high


def test_ranks_have_the_ids_of_the_source(folders: Folders) -> None:
    run = bench.run("popularity", "shop", **QUIET)
    ranks = run.ranks()
    wanted = last_items(folders)
    assert dict(zip(ranks["user_id"], ranks["item_id"], strict=True)) == wanted
    assert len(ranks) == run.record.n_queries == len(wanted)
    assert ranks["rank"].between(1, 30).all()
    assert (ranks["ndcg@1"][(ranks["rank"] == 1) & (ranks["ties"] == 0)] == 1).all()
    assert (ranks["hit@3"][ranks["rank"] - ranks["ties"] / 2 > 3] == 0).all()


def test_metric_columns_have_the_metrics_of_the_run_as_means() -> None:
    run = bench.run("random", "shop", **QUIET)
    ranks = run.ranks()
    assert {name: ranks[name].mean() for name in run.metrics} == pytest.approx(run.metrics, abs=1e-6)
    assert list(run.ranks(["NDCG@20"]).columns) == ["user_id", "item_id", "rank", "ties", "ndcg@20"]
    with pytest.raises(bench.BenchError, match="Unknown metric 'ndgc@3'"):
        run.ranks(["ndgc@3"])


def test_ranks_of_a_sample_and_of_the_whole_catalogue(folders: Folders) -> None:
    sample = bench.run("popularity", "shop", limit_queries=20, **QUIET).ranks()
    wanted = last_items(folders)
    assert len(sample) == 20
    assert all(wanted[user] == item for user, item in zip(sample["user_id"], sample["item_id"], strict=True))
    full = bench.run("popularity", "shop", full_ranking=True, **QUIET)
    assert full.ranks()["rank"].max() > 30
    assert full.ranks()["rank"].mean() == pytest.approx(full.record.catalogue["mean_rank"])  # type: ignore[index]


def test_ranks_are_refused_once_the_data_are_others(tmp_path: Path) -> None:
    write_shop(tmp_path / "data", "stall")
    run = bench.run("popularity", "stall", data_dir=tmp_path / "data", **QUIET)
    file = tmp_path / "data" / "stall" / "interactions.csv"
    file.write_text(file.read_text(encoding="utf-8") + "user0,item59,99999\n", encoding="utf-8")
    with pytest.raises(bench.BenchError, match=r"data of 'stall' has changed since run .* run it again"):
        run.ranks()


def test_seeds_give_a_sequence_of_runs_in_their_order() -> None:
    runs = bench.run("random", "shop", seeds=np.arange(2, -1, -1), **QUIET)
    assert [run.record.spec.seed for run in runs] == [0, 1, 2]
    assert len({run.id for run in runs}) == 3
    assert runs.metrics["ndcg@3"] == pytest.approx(np.mean([run.metrics["ndcg@3"] for run in runs]))
    ranks = runs.ranks()
    assert ranks.groupby("seed").size().to_dict() == {0: 80, 1: 80, 2: 80}
    assert isinstance(runs[:2], bench.Runs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "popularty"}, "Unknown method 'popularty'. Did you mean popularity"),
        ({"dataset": "shpo"}, "Unknown dataset 'shpo'"),
        ({"setting": "wram"}, "--setting must be .* Did you mean warm"),
        ({"limit_querys": 3}, "no option 'limit_querys'. Did you mean limit_queries"),
        ({"limit_queries": "many"}, "'limit_queries' must be of type int, not 'many'"),
        ({"full_ranking": 1}, "'full_ranking' must be of type bool, not 1"),
        ({"params": "power=2"}, "'params' must be of type dict"),
        ({"params": {"power": 2}}, "Method 'popularity' has no parameter 'power'"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [1], "seed": 1}, "seed or seeds, not both"),
        ({"force": True, "rescore": True}, "not both"),
    ],
)
def test_a_mistake_is_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(bench.BenchError, match=message) as error:
        bench.run(**{"method": "popularity", "dataset": "shop", **QUIET, **arguments})
    assert "\n" not in str(error.value)


def test_progress_is_told_to_who_wants_it(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    bench.run("popularity", "shop", device="cpu", progress=lines.append)
    bench.run("popularity", "shop", device="cpu", progress=lines.append)
    assert any("reusing stored run" in line for line in lines)
    assert capsys.readouterr() == ("", "")
    bench.run("popularity", "shop", device="cpu")
    assert "reusing stored run" in capsys.readouterr().err


def test_folders_can_be_given(tmp_path: Path) -> None:
    run = bench.run("popularity", "shop", results_dir=str(tmp_path / "mine"), **QUIET)
    assert RunStore(tmp_path / "mine").load(run.id) == run.record
    assert len(bench.stored_runs()) == 0
    assert bench.stored_runs(results_dir=tmp_path / "mine")["id"].tolist() == [run.id]


def test_stored_runs_are_a_frame_with_a_row_per_run() -> None:
    runs = [bench.run("popularity", "shop", **QUIET), bench.run("random", "shop", limit_queries=9, **QUIET)]
    bench.run("popularity", "shop", setting="cold", **QUIET)
    frame = bench.stored_runs(dataset="shop", setting="warm")
    assert frame["method"].tolist() == ["popularity", "random"]
    assert frame["n_queries"].tolist() == [80, 9]
    assert frame["ndcg@3"].tolist() == [run.metrics["ndcg@3"] for run in runs]
    assert bench.stored_runs(method="popularity")["setting"].tolist() == ["cold", "warm"]


def test_a_stored_run_is_found_by_its_name() -> None:
    made = bench.run("popularity", "shop", **QUIET)
    assert bench.load_run("popularity@shop@warm") == bench.load_run(made.id[:6]) == made
    with pytest.raises(bench.BenchError, match="No run 'popularity@shop@cold'"):
        bench.load_run("popularity@shop@cold")


def test_a_run_prints_as_the_command_line_prints_it() -> None:
    printed = call_bench(["run", "--method", "popularity", "--dataset", "shop", "--device", "cpu"]).stdout
    run = bench.run("popularity", "shop", **QUIET)
    assert str(run) + "\n" == printed
    assert "<table>" in run._repr_html_()
    assert repr(run) == f"Run('popularity@shop@warm@seed0', id='{run.id}')"


class Counting(bench.Recommender):
    """Ranks by the item's index; the sign says in which direction."""

    sign = 1

    def fit(self, task: bench.Task) -> None: ...

    def score(self, queries: bench.Queries) -> Any:
        return self.sign * queries.candidates.astype(float)


def test_a_class_of_your_own_is_run_by_class_and_by_name() -> None:
    counting = bench.register("counting", family="general")(Counting)
    run = bench.run(counting, "shop", **QUIET)
    assert bench.run("counting", "shop", **QUIET) == run
    assert bench.stored_runs()["method"].tolist() == ["counting"]


def test_an_older_run_of_the_same_id_does_not_pass_for_the_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = bench.register("counting", family="general")(Counting)
    older = bench.run(counting, "shop", **QUIET)
    monkeypatch.setattr(Counting, "sign", -1)
    newer = bench.run(counting, "shop", force=True, **QUIET)
    assert newer.id == older.id
    assert newer.metrics != older.metrics
    assert len(newer.ranks()) == 80
    with pytest.raises(bench.BenchError, match="repeated since"):
        older.ranks()


def test_a_class_needs_a_name_of_its_own() -> None:
    class Nameless(Counting):
        pass

    with pytest.raises(bench.BenchError, match="Nameless has no name; decorate it"):
        bench.run(Nameless, "shop", **QUIET)
    with pytest.raises(bench.BenchError, match=r"'popularity' is taken by bench\.baselines\..*another name"):
        bench.run(bench.register("popularity", family="general")(Nameless), "shop", **QUIET)


NOTEBOOK = """
import bench

def cell(sign):
    @bench.register("mine", family="general")
    class Mine(bench.Recommender):
        def fit(self, task):
            self.counts = task.target.item_counts()
        def score(self, queries):
            return sign * self.counts[queries.candidates].astype(float)

cell(1)
first = bench.run("mine", "shop", device="cpu")
print(first.metrics == bench.run("popularity", "shop", device="cpu").metrics)
cell(-1)
second = bench.run("mine", "shop", device="cpu")
print(first.id == second.id, second.metrics["ndcg@3"] < first.metrics["ndcg@3"])

@bench.register("popularity", family="general")
class Other(bench.Recommender):
    fit = score = None

try:
    bench.run("popularity", "shop")
except bench.BenchError as error:
    print(error)
"""


def test_a_method_without_a_source_file_is_always_run_anew_and_may_not_hide_another(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, check=True, cwd=tmp_path)
    same, redefined, refused = done.stdout.splitlines()
    assert (same, redefined) == ("True", "True True")
    assert refused.startswith("The name 'popularity' is taken by bench.baselines.")
    assert "the code of the method has no source file to compare: running it again" in done.stderr
