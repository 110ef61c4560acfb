from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.reproduce_runs import _one_by_one
from bench.files.folders import Folders
from bench.progress import Jobs
from bench.runs.estimate import Estimate, PlanEstimate
from bench.runs.plan import Plan, RunJob
from bench.runs.store import RunStore
from bench.spec import ProtocolSpec, RunSpec
from tests.support.command_line import Outcome, call_bench
from tests.support.fake_methods import Spy, know_fakes
from tests.support.heard import Heard

Bench = Callable[..., Outcome]
EXPERIMENT = """
name: small
caption: A small table.
datasets: {shop: {title: Shop}}
settings: [warm, cold]
metrics: [ndcg@1, ndcg@3]
rows:
  - {method: popularity, label: Popularity}
  - {method: spy, label: Spy}
"""


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    know_fakes(monkeypatch)
    monkeypatch.setattr(Spy, "seen", [])


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(EXPERIMENT)
    return path


def test_what_is_missing_is_run_and_the_table_is_written_in_every_format(
    bench: Bench, folders: Folders, experiment: Path
) -> None:
    outcome = bench("reproduce", experiment, "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert "small: 4 runs, 0 stored, 4 to do" in outcome.stderr
    assert "[4/4] spy on shop cold" in outcome.stderr
    assert len(RunStore(folders.results_dir).records()) == 4
    tables = folders.results_dir / "tables"
    assert {path.name for path in tables.iterdir()} == {f"small.{suffix}" for suffix in ("tex", "md", "csv", "json")}
    content = json.loads((tables / "small.json").read_text())
    assert [row["label"] for row in content["rows"]] == ["Popularity", "Spy"]
    assert not content["missing"]
    assert "Popularity" in outcome.stdout
    assert "Popularity," in (tables / "small.csv").read_text()
    assert r"\begin{tabular}" in (tables / "small.tex").read_text()


def test_the_remaining_time_is_scaled_by_how_long_the_first_runs_took(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.runs.engine.run", lambda *_told, **_options: None)
    runs = [RunJob(method, RunSpec(method, ProtocolSpec("shop")), (), is_done=False) for method in ("r", "s", "new")]
    estimate = PlanEstimate({name: Estimate(100.0, 0, 0, 1) for name in ("r", "s")}, ("new",), 1, 200.0)
    told = Heard()
    _one_by_one(Plan(tuple(runs)), folders, "cpu", told, estimate, lambda _run: None)
    left = [message.seconds_left for message in told.messages if isinstance(message, Jobs)]
    assert left == [200.0, pytest.approx(100 * 30 / 130, rel=0.05), None]


def test_the_printed_table_is_that_of_the_stored_runs(bench: Bench, experiment: Path) -> None:
    printed = bench("reproduce", experiment, "--device", "cpu").stdout
    assert bench("table", experiment).stdout == printed


def test_what_several_experiments_need_is_run_once(
    bench: Bench, folders: Folders, experiment: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    changed = EXPERIMENT.replace("name: small", "name: other").replace("settings: [warm, cold]", "settings: [cold]")
    other.write_text(changed + "  - {method: random, label: Random}\n")
    outcome = bench("reproduce", experiment, other, experiment, "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert "small, other: 5 runs, 0 stored, 5 to do" in outcome.stderr
    assert len(Spy.seen) == 2
    assert len(RunStore(folders.results_dir).records()) == 5
    both = [bench("table", name).stdout for name in (experiment, other)]
    assert outcome.stdout == "\n".join(both)
    tables = {path.stem: json.loads(path.read_text()) for path in (folders.results_dir / "tables").glob("*.json")}
    assert {name: len(table["rows"]) for name, table in tables.items()} == {"small": 2, "other": 3}
    assert not any(table["missing"] for table in tables.values())


def test_a_caption_for_several_tables_is_refused_before_anything_is_run(
    bench: Bench, folders: Folders, experiment: Path
) -> None:
    outcome = bench("reproduce", experiment, "demo", "--caption", "Both")
    assert outcome.code == 2
    assert "--caption and --label are for a single table: name one experiment." in outcome.stderr
    assert not folders.results_dir.exists()


def test_nothing_is_done_twice(bench: Bench, experiment: Path) -> None:
    first = bench("reproduce", experiment, "--device", "cpu")
    second = bench("reproduce", experiment, "--device", "cpu")
    assert "4 runs, 4 stored, 0 to do" in second.stderr
    assert second.stdout == first.stdout
    assert len(Spy.seen) == 2


def test_a_dry_run_prints_commands_that_make_the_missing_runs(bench: Bench, folders: Folders, experiment: Path) -> None:
    outcome = bench("reproduce", experiment, "--dry-run")
    commands = outcome.stdout.splitlines()
    assert commands[0] == "bench run --method popularity --dataset shop --setting warm"
    assert len(commands) == 4
    assert not folders.results_dir.exists()
    for command in commands:
        assert call_bench([*shlex.split(command)[1:], "--device", "cpu"]).code == 0
    assert bench("reproduce", experiment, "--dry-run").stdout == ""


def test_a_broken_off_reproduction_goes_on_where_it_stopped(
    bench: Bench, folders: Folders, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Spy, "fit", interrupted)
        assert bench("reproduce", experiment, "--device", "cpu").code == 130
    assert len(RunStore(folders.results_dir).records()) == 2
    assert not (folders.results_dir / "tables").exists()
    outcome = bench("reproduce", experiment, "--device", "cpu")
    assert "4 runs, 2 stored, 2 to do" in outcome.stderr
    assert outcome.code == 0


def test_a_limit_makes_other_runs_and_says_so_in_the_table(bench: Bench, folders: Folders, experiment: Path) -> None:
    outcome = bench("reproduce", experiment, "--limit-queries", 5, "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert {record.n_queries for record in RunStore(folders.results_dir).records()} == {5}
    assert "4 stored" not in bench("reproduce", experiment, "--dry-run").stderr


def test_the_demonstration_is_planned_from_the_cards(bench: Bench) -> None:
    outcome = bench("reproduce", "demo", "--dry-run")
    assert outcome.code == 0, outcome.stderr
    assert "bench run --method random --dataset ml-100k-drama --setting warm" in outcome.stdout.splitlines()


def test_a_faulty_method_ends_the_reproduction_and_keeps_what_was_done(
    bench: Bench, folders: Folders, experiment: Path
) -> None:
    experiment.write_text(EXPERIMENT.replace("method: spy", "method: undecided"))
    outcome = bench("reproduce", experiment, "--device", "cpu")
    assert outcome.code == 2
    assert outcome.stderr.splitlines()[-1].startswith("Error: Method 'undecided' returned NaN")
    assert [record.spec.method for record in RunStore(folders.results_dir).records()] == ["popularity"] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("method: spy", "method: sasrek"), "Unknown method 'sasrek'. Did you mean sasrec"),
        (("settings:", "setting:"), "unknown key 'setting' in the experiment. Did you mean settings"),
        (("ndcg@1", "ndgc@1"), "expected metrics such as ndcg@1"),
    ],
)
def test_a_fault_in_the_file_is_found_before_anything_is_run(
    bench: Bench, folders: Folders, experiment: Path, change: tuple[str, str], message: str
) -> None:
    experiment.write_text(EXPERIMENT.replace(*change))
    assert message in bench("reproduce", experiment).mistake
    assert not folders.results_dir.exists()


def test_another_scale_makes_other_runs_and_files_of_its_name(bench: Bench, folders: Folders, experiment: Path) -> None:
    outcome = bench("reproduce", experiment, "--scale", "smoke", "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    records = RunStore(folders.results_dir).records()
    assert {(record.spec.limit_queries, record.spec.train_share) for record in records} == {(10, 0.02)}
    tables = folders.results_dir / "tables"
    assert {path.stem for path in tables.iterdir()} == {"small-smoke"}
    assert "Scale smoke: " in (tables / "small-smoke.md").read_text()
    assert "4 to do" in bench("reproduce", experiment, "--dry-run").stderr


def test_the_commands_of_a_scale_make_its_runs(bench: Bench, experiment: Path) -> None:
    commands = bench("reproduce", experiment, "--scale", "smoke", "--dry-run").stdout.splitlines()
    assert commands[0].endswith("--train-fraction 0.02 --limit-validation 20 --limit 10")
    for command in commands:
        assert call_bench([*shlex.split(command)[1:], "--device", "cpu"]).code == 0
    assert bench("reproduce", experiment, "--scale", "smoke", "--dry-run").stdout == ""


def test_a_figure_is_written_beside_its_table(bench: Bench, folders: Folders, experiment: Path) -> None:
    experiment.write_text(EXPERIMENT + "figure: {kind: dots}\n")
    outcome = bench("reproduce", experiment, "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.splitlines()[-1].endswith("small.{tex,md,csv,json,pdf,png}.")
    assert (folders.results_dir / "tables" / "small.png").stat().st_size > 5000


def test_a_figure_that_cannot_be_drawn_is_refused_before_the_runs(
    bench: Bench, folders: Folders, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.write_text(EXPERIMENT + "figure: {kind: dots}\n")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "needs the extra 'plots'" in bench("reproduce", experiment, "--device", "cpu").mistake
    assert not folders.results_dir.exists()
    assert bench("reproduce", experiment, "--dry-run").code == 0


def test_datasets_are_counted_once_and_their_table_needs_no_data(
    bench: Bench, folders: Folders, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment.write_text(
        "name: small\ncaption: Counts.\nstatistics: [users, items]\ndatasets: {shop: {title: Shop}, nowhere: {}}\n"
    )
    outcome = bench("reproduce", experiment)
    assert outcome.code == 0, outcome.stderr
    assert "not counted: " in outcome.stderr
    first = bench("table", experiment)
    shop = next(line for line in first.stdout.splitlines() if line.startswith("Shop"))
    assert all(number.replace(",", "").isdigit() for number in shop.split()[1:])
    assert "Not shown, as not counted: nowhere." in first.stdout
    monkeypatch.setenv("BENCH_DATA", str(folders.results_dir / "no-data"))
    assert bench("table", experiment).stdout == first.stdout
    assert bench("reproduce", experiment, "--dry-run").stdout == "bench data stats nowhere\n"


def test_a_row_that_cannot_be_run_is_named(bench: Bench, experiment: Path) -> None:
    experiment.write_text(EXPERIMENT.replace("label: Spy", "label: Spy, params: {size: 8}"))
    assert bench("reproduce", experiment).mistake.startswith("Row 2 of 'small' (Spy): Method 'spy' has no parameter")


def test_full_ranking_runs_what_can_rank_a_catalogue_and_keeps_the_ordinary_files(
    bench: Bench, folders: Folders, experiment: Path
) -> None:
    dry = bench("reproduce", experiment, "--full-ranking", "--dry-run").stdout.splitlines()
    assert [line for line in dry if line.endswith("--full-ranking")] == [
        f"bench run --method popularity --dataset shop --setting {setting} --full-ranking"
        for setting in ("warm", "cold")
    ]
    assert len(dry) == 6
    bench("reproduce", experiment, "--device", "cpu")
    before = (folders.results_dir / "tables" / "small.csv").read_text()
    outcome = bench("reproduce", experiment, "--full-ranking", "--device", "cpu")
    assert outcome.code == 0, outcome.stderr
    assert "6 runs, 4 stored, 2 to do" in outcome.stderr
    assert (folders.results_dir / "tables" / "small.csv").read_text() == before
    content = json.loads((folders.results_dir / "tables" / "small-full-ranking.json").read_text())
    assert not content["missing"]
    assert len(content["groups"]) == 4
    assert bench("table", experiment, "--full-ranking").stdout == outcome.stdout


def test_full_ranking_alone_names_the_row_that_cannot(bench: Bench, experiment: Path) -> None:
    experiment.write_text(EXPERIMENT + "candidates: [full]\n")
    assert bench("reproduce", experiment, "--dry-run").mistake.startswith(
        "Row 2 of 'small' (Spy): Method 'spy' can only rank candidate lists"
    )


def test_columns_limit_the_runs_and_options_apply_to_the_files(
    bench: Bench, folders: Folders, experiment: Path
) -> None:
    words = ("--columns", "cold,hit@3", "--notes", "none", "--caption", "Mine.", "--percent", "--device", "cpu")
    outcome = bench("reproduce", experiment, *words)
    assert "small: 2 runs, 0 stored, 2 to do" in outcome.stderr
    assert outcome.stdout.startswith("small: Mine.\n")
    assert "Hit@3 (%)" in outcome.stdout
    latex = (folders.results_dir / "tables" / "small.tex").read_text()
    assert r"\caption{Mine.}" in latex
    assert "% Mine. One positive among" in latex
