"""``bench export-task`` and ``bench import-scores``, and what the other commands do with the stored run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.files.folders import Folders
from bench.metrics import Metric, chance
from bench.runs.store import RunStore
from bench.runs.tasks import Tasks
from bench.spec import ProtocolSpec
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]
TABLE = ("table", "--dataset", "shop", "--setting", "warm")
EXPERIMENT = """\
name: mine
caption: Ours and another program's.
datasets: {shop: {title: Shop}}
settings: [warm]
metrics: [ndcg@3]
rows:
  - {method: popularity, label: Popularity}
  - {method: external:theirs, label: Theirs, params: {layers: 2}}
"""


@pytest.fixture
def task(bench: Bench, tmp_path: Path) -> Path:
    assert bench("export-task", "shop", tmp_path / "task").code == 0
    return tmp_path / "task"


def write_scores(task: Path, scores: np.ndarray, name: str = "scores.csv") -> Path:
    columns = {f"score_{number}": column for number, column in enumerate(scores.T, start=1)}
    pd.DataFrame({"query": range(len(scores)), **columns}).to_csv(task / name, index=False)
    return task / name


def counted(task: Path) -> np.ndarray:
    """Score candidates by their training interactions, as the method 'popularity' does."""
    training, test, items = (pd.read_parquet(task / f"{name}.parquet") for name in ("training", "test", "items"))
    counts = np.bincount(training["item"], minlength=len(items))
    return counts[np.stack(test["candidates"])].astype(float)


@pytest.fixture
def scores(task: Path) -> Path:
    return write_scores(task, counted(task))


def imported(bench: Bench, scores: Path, *words: object) -> dict:
    return json.loads(bench("import-scores", scores, "--method", "theirs", "--json", *words).stdout)


def test_the_same_scores_give_the_same_ranks_as_a_method(bench: Bench, scores: Path, folders: Folders) -> None:
    record = imported(bench, scores, "-p", "layers=2", "--note", "commit 1a2b")
    own = json.loads(bench("run", "--method", "popularity", "--dataset", "shop", "--json").stdout)
    assert record["ranks_sha256"] == own["ranks_sha256"]
    assert record["metrics"] == own["metrics"]
    assert record["candidates_hash"] == own["candidates_hash"]
    assert (record["spec"]["method"], record["family"], record["device"]) == ("external:theirs", "external", "external")
    assert record["spec"]["params"] == record["overrides"] == {"layers": 2}
    assert record["fit"]["extra"]["scores_file"] == "scores.csv"
    assert "commit 1a2b" in record["notes"]
    assert RunStore(folders.results_dir).load(record["id"]).provenance.is_complete


def test_the_task_says_what_to_do_next_and_json_is_its_facts(bench: Bench, tmp_path: Path) -> None:
    outcome = bench("export-task", "shop", tmp_path / "one", "--setting", "cold")
    assert f"bench import-scores {tmp_path / 'one'}/scores.csv --method NAME" in outcome.stdout
    facts = json.loads(bench("export-task", "shop", tmp_path / "two", "--setting", "cold", "--json").stdout)
    assert facts == json.loads((tmp_path / "two" / "task.json").read_text())
    assert facts["protocol"]["setting"] == "cold"
    assert facts["candidates_hash"] in outcome.stdout
    assert "already exists" in bench("export-task", "shop", tmp_path / "two").mistake


def test_a_table_tests_and_marks_it_and_a_report_shows_it(bench: Bench, task: Path, tmp_path: Path) -> None:
    bench("run", "--method", "random", "--dataset", "shop")
    positive = task_answers(bench, task)
    imported(bench, write_scores(task, positive))
    text = bench(*TABLE).stdout
    assert "external:theirs §" in text
    assert "1.0000 (1)*" in text
    assert "§: scores computed by another program and imported" in text
    assert "Stored before records" not in text
    latex = bench(*TABLE, "--format", "latex").stdout
    assert "external:theirs§" in latex
    assert bench("report", "--output", tmp_path / "report.html").code == 0
    assert "external:theirs" in (tmp_path / "report.html").read_text()
    compared = bench("compare", "external:theirs@shop@warm", "random@shop@warm", "--json")
    assert json.loads(compared.stdout)


def task_answers(bench: Bench, task: Path) -> np.ndarray:
    """Return scores that only someone who knows the answers can give."""
    import os

    folders = Folders(Path(os.environ["BENCH_CACHE"]), Path("unused"), Path(os.environ["BENCH_DATA"]))
    answers = Tasks(folders, lambda _line: None).prepared(ProtocolSpec("shop")).test.answers.positive_column
    scores = np.zeros((len(answers), 30))
    scores[np.arange(len(answers)), answers] = 1
    return scores


def test_equal_scores_are_stored_once_and_others_replace_them_only_by_force(
    bench: Bench, task: Path, scores: Path, folders: Folders
) -> None:
    first = imported(bench, scores)
    again = bench("import-scores", scores, "--method", "theirs")
    assert "is stored already, with equal scores" in again.stderr
    other = write_scores(task, -counted(task), "other.csv")
    assert "has other scores" in bench("import-scores", other, "--method", "theirs").stderr
    assert RunStore(folders.results_dir).load(first["id"]).created == first["created"]
    replaced = imported(bench, other, "--force")
    assert replaced["id"] == first["id"]
    assert replaced["ranks_sha256"] != first["ranks_sha256"]
    assert list((folders.results_dir / "superseded" / first["id"]).iterdir())
    assert imported(bench, other, "--seed", "1")["id"] != first["id"]


def test_constant_scores_are_chance(bench: Bench, task: Path) -> None:
    record = imported(bench, write_scores(task, np.ones((80, 30))))
    assert record["metrics"]["ndcg@3"]["value"] == pytest.approx(chance(Metric.parse("ndcg@3")))
    assert any("too coarse" in warning for warning in record["warnings"])


def test_nan_is_refused_like_a_plugins(bench: Bench, task: Path, folders: Folders) -> None:
    scores = counted(task)
    scores[3, 7] = np.nan
    outcome = bench("import-scores", write_scores(task, scores), "--method", "theirs")
    assert outcome.code == 2
    assert "Method 'external:theirs' returned NaN for 1 of 80 queries; nothing was stored." in outcome.stderr
    assert not list(folders.results_dir.rglob("*.json"))


def test_scores_for_other_candidates_are_refused(bench: Bench, task: Path, scores: Path) -> None:
    facts = json.loads((task / "task.json").read_text())
    (task / "task.json").write_text(json.dumps({**facts, "candidates_hash": "0123456789abcdef"}))
    outcome = bench("import-scores", scores, "--method", "theirs")
    assert f"scores for candidates 0123456789abcdef, but those of shop warm are {facts['candidates_hash']}" in (
        outcome.stderr
    )
    (task / "task.json").write_text(json.dumps(facts))
    pd.read_csv(scores).assign(candidates_hash="older").to_csv(scores, index=False)
    assert "scores for candidates older" in bench("import-scores", scores, "--method", "theirs").stderr


def test_the_task_can_be_named_by_its_dataset_and_hash(bench: Bench, task: Path, tmp_path: Path) -> None:
    alone = write_scores(tmp_path, counted(task))
    facts = json.loads((task / "task.json").read_text())
    assert "give --task DIRECTORY" in bench("import-scores", alone, "--method", "theirs").mistake
    words = ("--dataset", "shop", "--candidates-hash", facts["candidates_hash"])
    assert imported(bench, alone, *words)["id"] == imported(bench, alone, "--task", task)["id"]
    unknown = bench("import-scores", alone, "--method", "theirs", "--dataset", "shop")
    assert "The candidates of" in unknown.stderr
    assert "are not known" in unknown.stderr
    both = bench("import-scores", alone, "--method", "theirs", "--task", task, "--dataset", "shop")
    assert "give --task or --dataset" in both.mistake
    ignored = bench("import-scores", alone, "--method", "theirs", "--task", task, "--setting", "cold")
    assert "--setting is stated by the task" in ignored.mistake
    wrong = bench("import-scores", alone, "--method", "theirs", "--task", task, "--candidates-hash", "abc")
    assert "--candidates-hash is abc, but" in wrong.mistake


@pytest.mark.parametrize(("name", "said"), [("Theirs", "Did you mean theirs?"), ("a@b", "not a valid name"), ("", "")])
def test_a_name_that_no_run_can_have_is_refused(bench: Bench, scores: Path, name: str, said: str) -> None:
    assert said in bench("import-scores", scores, "--method", name).mistake


def test_it_is_verified_and_never_run(bench: Bench, scores: Path, tmp_path: Path) -> None:
    imported(bench, scores, "-p", "layers=2")
    assert bench("verify").code == 0
    said = "'external:theirs' has scores of another program, which bench cannot run"
    assert said in bench("run", "--method", "external:theirs", "--dataset", "shop").mistake
    assert said in bench("diagnose", "external:theirs@shop@warm", "--permutations", "2").stderr
    assert bench("diagnose", "external:theirs@shop@warm").code == 0


def test_plans_leave_it_out_and_its_table_finds_it(bench: Bench, scores: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(EXPERIMENT)
    plan = bench("plan", path)
    assert "1 run, 0 stored, 1 to do" in plan.stdout
    assert "not run but imported with 'bench import-scores': Theirs" in plan.stderr
    assert "bench import-scores FILE --method theirs --dataset shop --setting warm -p layers=2" in (
        bench("table", path).stdout
    )
    imported(bench, scores, "-p", "layers=2")
    done = bench("reproduce", path)
    assert done.code == 0
    row = next(line for line in done.stdout.splitlines() if line.startswith("Theirs"))
    assert row.startswith("Theirs §")
    assert "–" not in row
