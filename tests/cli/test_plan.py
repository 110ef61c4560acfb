from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.adapter_toys import SMALL
from tests.support.command_line import Outcome, call_bench
from tests.support.shop_toy import write_shop

Bench = Callable[..., Outcome]
SHOPS = ("books", "games", "music", "tools")
EXPERIMENT = """
name: {name}
caption: A small table.
datasets: {datasets}
settings: [warm]
metrics: [ndcg@1]
backbone: {backbone}
rows: {rows}
"""


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shops")
    for seed, name in enumerate(SHOPS):
        write_shop(root / "data", name, seed=seed)
    return root


@pytest.fixture
def bench(shops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Call ``bench`` where data are prepared in a shared cache; runs are stored in a folder of the test's own."""
    monkeypatch.setenv("BENCH_DATA", str(shops / "data"))
    monkeypatch.setenv("BENCH_CACHE", str(shops / "cache"))
    monkeypatch.setenv("BENCH_RESULTS", str(tmp_path / "results"))
    return lambda *words: call_bench(str(word) for word in words)


@pytest.fixture
def write(tmp_path: Path, pico_encoder_folder: Path) -> Callable[..., Path]:
    """Write an experiment in which each of the shops is a target once."""

    def experiment(name: str, *methods: str, targets: tuple[str, ...] = SHOPS, **params: Any) -> Path:
        datasets = {name: {"sources": sorted({*targets} - {name})} for name in targets}
        rows = [{"method": method, "params": {**SMALL, **params} if method != "bpr" else {}} for method in methods]
        fields = {"datasets": datasets, "backbone": str(pico_encoder_folder), "rows": rows}
        path = tmp_path / f"{name}.yaml"
        path.write_text(EXPERIMENT.format(name=name, **{key: json.dumps(value) for key, value in fields.items()}))
        return path

    return experiment


def plan_in(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


def test_the_totals_come_first_then_the_adapters_and_the_runs_that_need_them(bench: Bench, write) -> None:
    outcome = bench("plan", write("cross", "weaverec", "bpr"))
    assert outcome.code == 0, outcome.stderr
    totals, adapters, runs = (part.splitlines() for part in outcome.stdout.split("\n\n"))
    assert totals == [
        "10 adapters (4 of one domain, 6 of two), 0 cached, 10 to train; 8 runs, 0 stored, 8 to do",
        "(16 adapters if nothing were shared)",
    ]
    assert adapters[0].split() == ["adapter", "domains", "backbone", "setting", "examples", "needed", "by", "state"]
    cells = [" ".join(line.split()) for line in adapters[1:]]
    assert [int(line.split()[0]) for line in cells] == list(range(1, 11))
    n_examples = SMALL["epochs"] * 2 * SMALL["max_examples"]
    assert any("books + games" in line and line.endswith(f"warm ≤ {n_examples} 2 runs to train") for line in cells)
    assert len(runs) == 9
    assert runs[1].split()[:3] == ["weaverec", "books", "warm"]
    assert runs[1].split()[-6:] == ["1", "2", "3", "4", "to", "do"]
    assert all(line.split() == ["bpr", line.split()[1], "warm", "to", "do"] for line in runs[5:])
    assert "Locating books" in outcome.stderr


def test_several_experiments_share_what_they_have_in_common(bench: Bench, write) -> None:
    first, second = write("first", "weaverec", "target-only"), write("second", "weight-average", "target-only")
    plan = plan_in(bench("plan", first, second, "--json"))
    assert (plan["totals"]["adapters"], plan["totals"]["runs"]) == (10, 12)
    assert plan["totals"]["unshared_adapters"] == 16 + 4 + 16
    assert plan_in(bench("plan", second, "--json"))["totals"]["adapters"] == 4


def test_json_is_a_graph_that_scripts_can_follow(bench: Bench, write) -> None:
    plan = plan_in(bench("plan", write("pair", "second-finetune", targets=SHOPS[:2]), "--json"))
    assert set(plan) == {"totals", "adapters", "runs", "order"}
    for adapter in plan["adapters"]:
        assert set(adapter) == {
            *("id", "state", "needs", "needed_by", "domains"),
            *("backbone", "max_examples", "key"),
        }
        assert adapter["state"] == "to do"
    for run in plan["runs"]:
        assert set(run) == {"id", "state", "needs", "spec"}
        assert run["spec"]["method"] == "second-finetune"
    by_id = {job["id"]: job for job in [*plan["adapters"], *plan["runs"]]}
    assert sorted(plan["order"]) == sorted(by_id)
    places = {job: place for place, job in enumerate(plan["order"])}
    assert all(places[need] < places[job["id"]] for job in by_id.values() for need in job["needs"])
    assert all(run in by_id for adapter in plan["adapters"] for run in adapter["needed_by"])


def test_what_was_run_is_shown_as_cached_and_stored(bench: Bench, write) -> None:
    path = write("done", "weaverec", targets=SHOPS[:2], max_examples=16)
    ready = bench("reproduce", path, "--device", "cpu")
    assert ready.code == 0, ready.stderr
    assert (
        "done: 3 adapters (2 of one domain, 1 of two), 0 cached, 3 to train; 2 runs, 0 stored, 2 to do" in ready.stderr
    )
    outcome = bench("plan", path)
    assert outcome.stdout.splitlines()[0] == (
        "3 adapters (2 of one domain, 1 of two), 3 cached, 0 to train; 2 runs, 2 stored, 0 to do"
    )
    assert "to train\n" not in outcome.stdout.partition("\n")[2]
    more = bench("plan", write("more", "weaverec", targets=SHOPS[:3], max_examples=16))
    assert more.stdout.splitlines()[0] == (
        "6 adapters (3 of one domain, 3 of two), 3 cached, 3 to train; 3 runs, 0 stored, 3 to do"
    )
    again = bench("reproduce", path, "--device", "cpu")
    assert "done: 2 runs, 2 stored, 0 to do" in again.stderr


def test_one_run_is_planned_from_the_options_of_bench_run(
    bench: Bench, pico_encoder_folder: Path, tmp_path: Path
) -> None:
    words = ("--method", "second-finetune", "--dataset", "books", "--sources", "games", "--setting", "cold")
    outcome = bench("plan", *words, "--backbone", pico_encoder_folder, "--seed", 1, "-p", "rank=4")
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.startswith("2 adapters (2 of one domain), 0 cached, 2 to train; 1 run, 0 stored, 1 to do\n")
    _, adapters, runs = (part.splitlines() for part in outcome.stdout.split("\n\n"))
    assert "continues from" in adapters[0]
    assert adapters[2].split()[-5:] == ["1", "1", "run", "to", "train"]  # from adapter 1, for 1 run
    assert "rank=4" in runs[1]
    assert not (tmp_path / "results").exists()


def test_a_limit_makes_other_runs_of_the_same_adapters(bench: Bench, write) -> None:
    path = write("cross", "target-only")
    plain, limited = (plan_in(bench("plan", path, *words, "--json")) for words in ((), ("--limit-queries", 5)))
    assert {adapter["id"] for adapter in plain["adapters"]} == {adapter["id"] for adapter in limited["adapters"]}
    assert not {run["id"] for run in plain["runs"]} & {run["id"] for run in limited["runs"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dmeo"], "Unknown experiment 'dmeo'. Did you mean demo? See 'bench list experiments'."),
        (["demo", "baseline-warm"], "Did you mean baselines-warm"),
        ([], "Give one or more experiments, or both --method and --dataset."),
        (["--method", "bpr"], "Give one or more experiments, or both --method and --dataset."),
        (["demo", "--seed", "1"], "--seed applies to a single run, and experiments define their own runs"),
        (["demo", "--method", "bpr", "--dataset", "books"], "--method applies to a single run"),
        (["--method", "weaverek", "--dataset", "books"], "Unknown method 'weaverek'. Did you mean weaverec"),
        (["--method", "bpr", "--dataset", "beaty"], "Unknown dataset 'beaty'. Did you mean beauty"),
    ],
)
def test_a_mistake_is_one_line_that_helps(bench: Bench, words: list[str], message: str) -> None:
    assert message in bench("plan", *words).mistake


def test_a_plan_of_a_scale_has_its_sizes(bench: Bench, write) -> None:
    path = write("cross", "weaverec", targets=("books", "games"))
    adapters = plan_in(bench("plan", path, "--scale", "smoke", "--json"))["adapters"]
    assert all(0 < adapter["max_examples"] <= SMALL["epochs"] * 2 * 32 for adapter in adapters)
    assert (
        "--scale applies to experiments"
        in bench("plan", "--method", "bpr", "--dataset", "books", "--scale", "smoke").mistake
    )


def test_an_estimate_adds_the_time_of_each_run_and_of_all(bench: Bench) -> None:
    bench("run", "--method", "popularity", "--dataset", "books")
    words = ("plan", "--method", "popularity", "--dataset", "books", "--seed", 1)
    text = bench(*words, "--estimate").stdout
    assert re.search(r"^estimate: about \d+ s in total, up to \d+\.\d GB of memory per job, 0 MB on disk$", text, re.M)
    assert "time" in text.splitlines()[2]
    fields = json.loads(bench(*words, "--estimate", "--workers", 2, "--json").stdout)
    assert list(fields["estimate"]["jobs"]) == fields["order"]
    assert "estimate" not in json.loads(bench(*words, "--json").stdout)


def test_the_memory_of_a_decoder_needs_neither_experiment_nor_data(bench: Bench) -> None:
    text = bench("plan", "--memory", "--device-memory", "40").stdout
    assert "Qwen/Qwen2-7B-Instruct" in text
    assert "layers recomputed" in text
    made = json.loads(bench("plan", "--memory", "-p", "batch_size=1", "--json").stdout)
    assert made["device_gigabytes"] == 80
    assert made["memory"][0]["tokens per pass"] == 700
    assert made["memory"][0]["fits"] is True


def test_the_memory_is_that_of_the_recipe_and_of_parameters_beside_it(bench: Bench) -> None:
    plain, paper, small = (
        bench("plan", "--memory", *words).stdout
        for words in ((), ("-p", "recipe=paper"), ("--method", "reccocktail", "-p", "recipe=paper", "-p", "lora_r=8"))
    )
    assert paper == plain
    assert "rank 8: gigabytes" in small
    assert "trains no adapter" in bench("plan", "--memory", "--method", "sasrec").mistake
