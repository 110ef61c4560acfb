"""What the page of results says in its sentences is what the shipped records give."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest

import bench
from bench.diagnose.summary import diagnose_run
from bench.diagnose.training import training_courses
from bench.experiments.scale import DEFAULT_SCALE
from bench.files.store import read_json
from bench.metrics import Metric
from bench.registry import registry
from bench.report.experiment_report import experiment_at, report_of
from bench.report.two_runs import compare_runs
from bench.runs.record import RunRecord, values_per_user
from bench.runs.store import RunStore

ROOT = Path(bench.__file__).parent.parent
PAGE = " ".join((ROOT / "docs" / "pages" / "results.md").read_text(encoding="utf-8").split())
CONVERGENCE = " ".join((ROOT / "docs" / "pages" / "convergence.md").read_text(encoding="utf-8").split())
BACKBONES = " ".join((ROOT / "docs" / "pages" / "backbones.md").read_text(encoding="utf-8").split())
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
STORE = RunStore(ROOT / "results" / "measured")
TABLES = ROOT / "results" / "tables"

pytestmark = pytest.mark.numbers


CONTROL_EXAMPLES = 2000
"""Examples of the decoder's control, which has its own row."""


def runs_of(method: str, setting: str, limit: int | None = None, **expected: object) -> list[RunRecord]:
    """Return the runs on Beauty with a sample of this size whose specs have the expected values.

    Without a limit, they are those of all queries with default parameters.
    """
    expected |= {"method": method, "limit_queries": limit, "full_ranking": False}
    alike = [
        record
        for record in STORE.records()
        if (record.spec.protocol.dataset, record.spec.protocol.setting) == ("beauty", setting)
        and all(getattr(record.spec, name) == value for name, value in expected.items())
        and not (limit is None and record.overrides)
        and record.overrides.get("max_examples") != CONTROL_EXAMPLES
    ]
    return sorted(alike, key=lambda record: record.spec.seed)


def fifths(method: str) -> list[float]:
    """Return a warm Beauty run's NDCG@3 by fifths of the target items' popularity."""
    (record,) = runs_of(method, "warm", seed=0)
    return [group.value for group in diagnose_run(record, STORE, Metric.parse("ndcg@3")).groups]


def differences(table: str, better: str, worse: str, columns: int) -> tuple[list[float], list[float]]:
    """Return the differences of two rows of a shipped table in a group of columns, by its index, and their p-values."""
    shipped = json.loads((TABLES / f"{table}.json").read_text("utf-8"))
    cells = {row["label"]: row["cells"][columns * len(shipped["metrics"])] for row in shipped["rows"]}
    runs = [[STORE.load(run) for run in cells[label]["run_ids"]] for label in (better, worse)]
    found = list(compare_runs(*runs, ["ndcg@1", "ndcg@3"], STORE))
    return [one.difference for one in found], [one.p_t for one in found]


def test_printed_scores_are_counted_by_their_verdicts() -> None:
    cells = report_of(experiment_at("baselines-warm", DEFAULT_SCALE.name, registry()), STORE.results_dir, registry())
    count = Counter(cell.verdict.partition(":")[0] for cell in cells.beside())
    assert count.total() == 104
    at_or_above, within, incomparable = count["at or above"], count["within 0.02"], count["not comparable"]
    assert at_or_above + within + incomparable == count.total()
    assert f"Of 104 reported scores, {at_or_above} are at or below ours, {within} (RecFormer)" in PAGE
    assert f"{incomparable} are not comparable" in PAGE


@pytest.mark.parametrize(("method", "name"), [("vqrec", "VQ-Rec"), ("alpharec", "AlphaRec")])
def test_methods_below_text_knn_on_cold_items_are_so_by_the_stated_difference(method: str, name: str) -> None:
    (found,) = compare_runs(runs_of(method, "cold"), runs_of("text-knn", "cold"), ["ndcg@1"], STORE)
    assert f"{name} by {-found.difference:.3f}" in PAGE
    assert found.p_t < 0.0001


def test_the_agreement_of_lists_and_catalog_is_that_of_the_table() -> None:
    table = json.loads((ROOT / "results" / "tables" / "full-ranking.json").read_text(encoding="utf-8"))
    (note,) = [note for note in table["footnotes"] if "NDCG@10" in note and "τ-b" in note]
    (tau,) = re.findall(r"τ-b = (0\.\d\d)", note)
    assert f"Kendall's τ-b is {tau} by NDCG@10, and of nine pairs that swap, five differ significantly" in PAGE
    assert (note.count(" above "), len(re.findall(r"\(!\)[;.]", note))) == (9, 5)


def test_the_least_and_the_most_popular_fifth_are_those_of_the_runs() -> None:
    least = {method: f"{fifths(method)[0]:.2f}" for method in ("recformer", "sasrec", "bpr", "unisrec")}
    most = {method: f"{fifths(method)[-1]:.2f}" for method in ("sasrec", "unisrec")}
    assert f"NDCG@3 of {least['recformer']}" in PAGE
    assert f"SASRec reaches {least['sasrec']} and BPR {least['bpr']}" in PAGE
    assert f"SASRec reaches {most['sasrec']}." in PAGE
    assert f"({least['unisrec']} and {most['unisrec']})" in PAGE


def test_the_readme_names_the_score_of_its_table() -> None:
    (record,) = runs_of("sasrec", "warm", seed=0)
    assert f"SASRec has an NDCG@1 of {record.metrics['ndcg@1']['value']:.4f} on Beauty" in README


DECODER = {"backbone": "smollm2", "ranking": None}
ENCODER = {"backbone": "minilm"}
TRAINED, SOURCE_ALONE = ("target-only", DECODER), ("reccocktail-g", DECODER)
AVERAGED = ("weight-average", DECODER)


@pytest.mark.parametrize(
    ("setting", "better", "worse", "most_p", "sentence"),
    [
        ("cold", ("zeroshot", DECODER), ("zeroshot", {"backbone": "smollm2", "ranking": "sum"}), 1e-4, None),
        ("warm", ("zeroshot", DECODER), ("random", {}), 1e-4, None),
        ("cold", ("zeroshot", DECODER), ("random", {}), 1e-4, None),
        ("warm", ("zeroshot", DECODER), ("text-knn", ENCODER), 1.0, "{:+.3f} / {:+.3f} on warm items (p = 0.33"),
        ("cold", ("zeroshot", DECODER), ("text-knn", ENCODER), 1.0, "{:+.3f} / {:+.3f} on cold ones (p = 0.83"),
        ("warm", TRAINED, ("zeroshot", DECODER), 0.015, "{:+.3f} / {:+.3f} on warm items (p = 0.01, p = 0.003)"),
        ("cold", TRAINED, ("zeroshot", DECODER), 1.0, "{:+.3f} / {:+.3f} on cold ones (p = 0.08, p = 0.57)"),
        ("warm", TRAINED, ("text-knn", ENCODER), 0.055, "`text-knn`, by {:.3f} / {:.3f} (p = 0.003, p = 0.05)"),
        ("cold", SOURCE_ALONE, ("zeroshot", DECODER), 0.13, "zero-shot by {:.3f} / {:.3f} (p = 0.002, p = 0.13)"),
        ("cold", SOURCE_ALONE, TRAINED, 0.35, "target's adapter by {:.3f} / {:.3f} (p = 0.08, p = 0.35)"),
        ("cold", AVERAGED, TRAINED, 0.035, "adapter by {:.3f} / {:.3f} (p = 0.0006, p = 0.03)"),
        ("cold", ("reccocktail", DECODER), TRAINED, 0.017, "RecCocktail by {:.3f} / {:.3f} (p = 0.003, p = 0.02)"),
        ("cold", AVERAGED, SOURCE_ALONE, 1.0, "from RecCocktail-G ({:+.3f} / {:+.3f} and"),
        ("cold", ("reccocktail", DECODER), SOURCE_ALONE, 1.0, "and {:+.3f} / {:+.3f}). For adapters"),
        ("warm", ("weaverec", DECODER), TRAINED, 0.62, "adapter by {:.3f} / {:.3f} (p = 0.61, p = 0.006)"),
        ("warm", ("text-linear", ENCODER), TRAINED, 0.02, "adapter by {:.3f} / {:.3f} on warm items (p = 0.02"),
        ("cold", ("text-linear", ENCODER), TRAINED, 0.12, "by {:.3f} / {:.3f} on cold ones (p = 0.12, p = 0.02)"),
        ("cold", ("text-linear", ENCODER), AVERAGED, 1.0, "({:+.3f} / {:+.3f}, p = 0.60, p = 0.24)"),
        ("warm", ("target-only", ENCODER), TRAINED, 0.001, "above it by {:.3f} / {:.3f} and"),
        ("cold", ("target-only", ENCODER), TRAINED, 0.001, "and {:.3f} / {:.3f} (all p < 0.001)"),
    ],
)
def test_differences_between_the_rows_of_the_decoder_are_the_stated_ones(
    setting: str,
    better: tuple[str, dict[str, object]],
    worse: tuple[str, dict[str, object]],
    most_p: float,
    sentence: str | None,
) -> None:
    runs = [runs_of(method, setting, 500, **expected) for method, expected in (better, worse)]
    found = compare_runs(*runs, ["ndcg@1", "ndcg@3"], STORE)
    assert max(one.p_t for one in found) <= most_p
    assert sentence is None or sentence.format(*(one.difference for one in found)) in PAGE


@pytest.mark.parametrize(
    ("merge", "sentence"),
    [
        ("Weight Average", "{:.3f} / {:.3f} (p = {:.2f}, p = {:.2f}) and"),
        ("RecCocktail", "and {:.3f} / {:.3f} (p = {:.2f}, p = {:.2f}) are left"),
    ],
)
def test_merges_of_the_decoder_are_not_above_as_many_examples_of_the_target(merge: str, sentence: str) -> None:
    found, p_values = differences("decoder-beauty", merge, "Target-domain Only (2,000 examples)", 1)
    assert min(p_values) > 0.05
    assert sentence.format(*found, *p_values) in PAGE


@pytest.mark.parametrize("setting", ["warm", "cold"])
def test_all_rows_of_the_trained_decoder_are_above_chance(setting: str) -> None:
    adapted = [one for one in STORE.records() if one.spec.backbone == "smollm2" and one.fit.adapters]
    rows = [one for one in adapted if one.spec.protocol.setting == setting]
    assert len(rows) == {"warm": 3, "cold": 8}[setting]
    for row in rows:
        found = compare_runs([row], runs_of("random", setting, 500), ["ndcg@1", "ndcg@3"], STORE)
        assert all(one.difference > 0 and one.p_t < 0.0001 for one in found)


def test_entropy_keeps_the_decoders_own_adapter_on_warm_items() -> None:
    (kept,), (target,) = runs_of("reccocktail", "warm", 500, **DECODER), runs_of("target-only", "warm", 500, **DECODER)
    assert kept.fit.merge is not None
    assert kept.fit.merge.weights["specific"] == 1.0
    assert kept.metrics["ndcg@3"]["value"] == target.metrics["ndcg@3"]["value"]
    (weighed,) = runs_of("reccocktail", "cold", 500, **DECODER)
    assert weighed.fit.merge is not None
    assert f"with a weight of {weighed.fit.merge.weights['specific']:.2f} for the target's adapter" in PAGE


LORA, TARGET, SOURCE, HALF = "LoRA of the encoder", "Target LoRA", "Source LoRA", "Target LoRA, half strength"
WEAKER, ONE_SOURCE = "Target LoRA, 0.9 strength", "merging-one-source"
FACTORS, UPDATES = "Weight Average", "Weight Average (delta)"
OTHER, SOUP, SOUP_UPDATES = "Target LoRA, other order", "Soup of both target LoRAs", "Soup of both target LoRAs (delta)"


@pytest.mark.parametrize(
    ("table", "better", "worse", "columns", "most_p", "sentence"),
    [
        ("baselines-warm", LORA, "UniSRec", 0, (0.035, 1e-4), "by {:.3f} in NDCG@1 (p = 0.03) and {:.3f} in NDCG@3"),
        (
            "baselines-cold",
            LORA,
            "RecFormer (5 epochs)",
            0,
            (0.0007, 1e-4),
            "by {:.3f} in NDCG@1 (p = 0.0006) and {:.3f} in NDCG@3",
        ),
        ("baselines-warm", LORA, "UniSRec", 1, (0.075, 1e-4), "by {:.3f} (p = 0.07) and {:.3f} (p < 0.0001) on Toys"),
        (ONE_SOURCE, TARGET, UPDATES, 0, (1e-4, 1e-4), "the updates costs {:.3f} / {:.3f} on Beauty"),
        (ONE_SOURCE, TARGET, UPDATES, 2, (1e-4, 1e-4), "on Beauty and {:.3f} / {:.3f} on Toys, averaging the factors"),
        (ONE_SOURCE, TARGET, FACTORS, 0, (1e-4, 1e-4), "the factors {:.3f} / {:.3f} and"),
        (ONE_SOURCE, TARGET, FACTORS, 2, (1e-4, 1e-4), "and {:.3f} / {:.3f} (all p < 0.0001)"),
        (ONE_SOURCE, TARGET, HALF, 0, (1e-4, 1e-4), "alone costs {:.3f} / {:.3f} on Beauty"),
        (ONE_SOURCE, TARGET, HALF, 2, (1e-4, 1e-4), "on Beauty and {:.3f} / {:.3f} on Toys (p < 0.0001); the rest"),
        (ONE_SOURCE, OTHER, TARGET, 0, (0.015, 0.015), "alone is {:.3f} / {:.3f} above the first (p = 0.01"),
        (ONE_SOURCE, TARGET, SOUP_UPDATES, 0, (0.00015, 1e-4), "by {:.3f} / {:.3f} if updates are averaged"),
        (ONE_SOURCE, TARGET, SOUP, 0, (1e-4, 1e-4), "and by {:.3f} / {:.3f} if factors are (p < 0.0001)"),
        (ONE_SOURCE, SOUP_UPDATES, UPDATES, 0, (1e-4, 1e-4), "adapter, by {:.3f} / {:.3f} and"),
        (ONE_SOURCE, SOUP, FACTORS, 0, (1e-4, 1e-4), "and {:.3f} / {:.3f}. - **The other"),
        (ONE_SOURCE, "Ext-Sub", TARGET, 1, (0.006, 0.06), "by {:.3f} / {:.3f} (p = 0.005, p = 0.06)"),
        (ONE_SOURCE, TARGET, "Ext-Sub", 0, (1e-4, 1e-4), "Ext-Sub costs {:.3f} / {:.3f} and"),
        (ONE_SOURCE, TARGET, "Ext-Sub", 2, (1e-4, 1e-4), "and {:.3f} / {:.3f} (p < 0.0001). These"),
        (ONE_SOURCE, WEAKER, TARGET, 1, (0.0015, 0.0025), "by {:.3f} / {:.3f} (p = 0.001, p = 0.002)"),
        (ONE_SOURCE, "RecCocktail", TARGET, 1, (0.0035, 0.025), "RecCocktail by {:.3f} / {:.3f} (p = 0.003, p = 0.02)"),
        (ONE_SOURCE, "Text k-NN", SOURCE, 0, (1.0, 1.0), None),
        (ONE_SOURCE, "Text k-NN", SOURCE, 1, (1.0, 1.0), None),
        (ONE_SOURCE, "Text k-NN", SOURCE, 2, (1.0, 1.0), None),
    ],
)
def test_differences_between_the_rows_of_adapters_are_the_stated_ones(
    table: str, better: str, worse: str, columns: int, most_p: tuple[float, float], sentence: str | None
) -> None:
    found, p_values = differences(table, better, worse, columns)
    assert min(found) > 0
    assert all(p <= most for p, most in zip(p_values, most_p, strict=True))
    assert sentence is None or sentence.format(*found) in PAGE


@pytest.mark.parametrize(
    ("columns", "most_p", "sentence"),
    [
        (
            0,
            (0.0035, 0.0006),
            "gain {:.3f} / {:.3f} on the test queries of Beauty (NDCG@1 / NDCG@3; p = 0.003, p = 0.0005)",
        ),
        (2, (0.265, 1e-4), "and {:.3f} / {:.3f} on those of Toys (p = 0.26, p < 0.0001)"),
        (1, (0.115, 0.895), "is gained ({:+.3f} / {:+.3f}, p = 0.11, p = 0.89)"),
    ],
)
def test_averaged_weights_gain_what_the_page_says(columns: int, most_p: tuple[float, float], sentence: str) -> None:
    found, p_values = differences("averaged-weights", "Averaged weights", "Weights of single steps", columns)
    assert all(p <= most for p, most in zip(p_values, most_p, strict=True))
    assert sentence.format(*found) in PAGE


def test_averages_reach_what_the_page_says_after_as_many_steps_and_at_best() -> None:
    cells = json.loads((TABLES / "averaged-weights.json").read_text("utf-8"))["rows"][1]["cells"]
    (adapter,) = STORE.load(cells[0]["run_ids"][0]).fit.adapters.values()
    steps = [round(epoch * adapter.n_steps / adapter.epochs) for epoch in adapter.epoch_of_check]
    best = int(np.argmax(adapter.validation))
    assert f"after {steps[best]:,} steps, with a validation NDCG@3 of {adapter.validation[best]:.4f}" in PAGE
    assert f"After as many steps, the averages have {adapter.validation[steps.index(1161)]:.4f}" in PAGE


def test_no_merge_is_above_the_targets_adapter_on_warm_items_and_entropy_finds_it() -> None:
    rows = json.loads((TABLES / f"{ONE_SOURCE}.json").read_text("utf-8"))["rows"]
    by_label = {row["label"]: [cell["value"] for cell in row["cells"]] for row in rows}
    compared = [cells for label, cells in by_label.items() if label != OTHER]
    assert all(by_label[TARGET][place] == max(cells[place] or 0 for cells in compared) for place in (0, 1, 4, 5))
    cells = next(row["cells"] for row in rows if row["label"] == "RecCocktail")
    merges = [STORE.load(cell["run_ids"][0]).fit.merge for cell in cells[::2]]
    assert [merge and round(merge.weights["general"], 2) for merge in merges] == [0.0, 0.05, 0.0]


def test_another_order_of_examples_gives_the_stated_scores() -> None:
    rows = json.loads((TABLES / f"{ONE_SOURCE}.json").read_text("utf-8"))["rows"]
    cells = next(row["cells"] for row in rows if row["label"] == OTHER)
    scores = [cell["value"] for cell in cells[:2]]
    assert "NDCG@3), {:.4f} / {:.4f} with another order of examples".format(*scores) in PAGE


def scores_of_lora(seed: int) -> str:
    (record,) = runs_of("target-only", "warm", seed=seed)
    return "{:.4f} / {:.4f}".format(*(record.metrics[metric]["value"] for metric in ("ndcg@1", "ndcg@3")))


def test_other_seeds_of_the_lora_give_the_stated_scores() -> None:
    assert f"{scores_of_lora(2)} with seed 2, and {scores_of_lora(1)} with seed 1" in PAGE
    assert f"({scores_of_lora(0)} and {scores_of_lora(2)})." in CONVERGENCE
    assert f"below UniSRec on Beauty ({scores_of_lora(1)} in NDCG@1 / NDCG@3)" in README


def test_the_trainings_of_the_lora_rank_by_their_lengths() -> None:
    (other_order,) = (one for one in STORE.records() if one.overrides == {"order": 1} and not one.spec.full_ranking)
    runs = [other_order, *runs_of("target-only", "warm")]
    by_score = sorted(runs, key=lambda record: record.metrics["ndcg@1"]["value"])
    n_steps = [record.fit.adapters["target"].n_steps for record in by_score]
    assert n_steps == sorted(n_steps)
    assert "lengths ({:,}, {:,}, {:,} and {:,} steps)".format(*n_steps) in PAGE


def test_the_seed_that_ended_early_is_as_far_below_unisrec_as_stated() -> None:
    (record,), (unisrec,) = runs_of("target-only", "warm", seed=1), runs_of("unisrec", "warm", seed=0)
    found = list(compare_runs([record], [unisrec], ["ndcg@1", "ndcg@3"], STORE))
    differences = " / ".join(f"{-one.difference:.3f}" for one in found)
    assert f"below UniSRec by {differences} (p = {found[0].p_t:.2f}, p = {found[1].p_t:.2f})" in PAGE


def test_one_layer_is_as_good_as_stated() -> None:
    one = [record for record in STORE.records() if record.overrides == {"adapted_layers": 1}]
    found = list(compare_runs(one, runs_of("target-only", "warm", seed=1), ["ndcg@1", "ndcg@3"], STORE))
    differences = " / ".join(f"{each.difference:+.3f}" for each in found)
    assert f"({differences}, p = {found[0].p_t:.2f}, p = {found[1].p_t:.2f})" in BACKBONES


def test_the_decay_of_the_learning_rate_gains_what_is_stated() -> None:
    folders = (ROOT / "results" / "measured" / "adapters").iterdir()
    decayed = [folder for folder in folders if read_json(folder / "made.json")["key"]["recipe"]["decay_share"]]
    curves = [read_json(folder / "adapter.json")["training"]["validation"] for folder in decayed]
    gains = [after - max(before) for *before, after in curves]
    assert len(gains) == 7
    assert f"come with the repository and were trained in this way, it gains {min(gains):.3f} to" in BACKBONES
    assert f"to {max(gains):.3f} in validation NDCG@3" in BACKBONES


def test_its_training_ended_as_early_as_stated() -> None:
    (record,) = runs_of("target-only", "warm", seed=1)
    (adapter,) = record.fit.adapters.values()
    decayed = adapter.validation[:-1]  # the last check is that after the decay
    best = int(np.argmax(decayed))
    assert len(decayed) - 1 - best == 5
    assert f"a single high check after {adapter.epoch_of_check[best]:g} epochs ({decayed[best]:.4f})" in CONVERGENCE
    assert f"training ended after {adapter.epochs:.1f} epochs, with " in CONVERGENCE


LINEAR_TWICE_AS_LONG = 43
"""Epochs of the linear map's longer training."""


def longer_and_default() -> list[RunRecord]:
    """Return the run of the linear map that was trained twice as long, and the default's."""
    runs = [one for one in STORE.records() if one.spec.method == "text-linear"]
    (longer,) = (one for one in runs if one.overrides.get("epochs") == LINEAR_TWICE_AS_LONG)
    return [longer, *runs_of("text-linear", "warm", seed=0)]


def test_a_longer_training_of_the_linear_map_gains_what_is_stated() -> None:
    longer, default = longer_and_default()
    (course,) = training_courses(longer.fit)
    assert course.gain is not None
    assert f"it gains {course.gain:.3f} in validation" in CONVERGENCE
    found = list(compare_runs([longer], [default], ["ndcg@1", "ndcg@3"], STORE))
    gains = " / ".join(f"{one.difference:.3f}" for one in found)
    assert f"and {gains} on the test queries (p = {found[0].p_t:.2f}, p = {found[1].p_t:.2f})" in CONVERGENCE


def test_a_validation_sample_is_as_noisy_as_stated() -> None:
    more, less = (values_per_user(one, STORE.ranks(one.id)[1], Metric("ndcg", 3)) for one in longer_and_default())
    assert f"has a standard error of {np.std(more - less, ddof=1) / np.sqrt(2000):.3f}." in CONVERGENCE


@pytest.mark.parametrize(
    ("method", "sentence"),
    [("alpharec", "it trains for {:.0f} epochs"), ("text-linear", "It ends after {:.0f} epochs")],
)
def test_trainings_take_as_many_epochs_as_stated(method: str, sentence: str) -> None:
    (record,) = runs_of(method, "warm", seed=0)
    assert record.fit.training is not None
    assert record.fit.training.ended == "converged"
    assert sentence.format(record.fit.training.epochs) in CONVERGENCE


def test_the_linear_map_reaches_the_stated_scores() -> None:
    (record,) = runs_of("text-linear", "warm", seed=0)
    scores = [record.metrics[metric]["value"] for metric in ("ndcg@1", "ndcg@3")]
    assert "linear map is at {:.4f} / {:.4f}, near SASRec".format(*scores) in PAGE


def spread_over_seeds(method: str, n_seeds: int) -> float:
    """Return by how much the NDCG@1 of a method's seeds on warm items differs at most."""
    values = [record.metrics["ndcg@1"]["value"] for record in runs_of(method, "warm")]
    assert len(values) == n_seeds
    return max(values) - min(values)


def test_seeds_differ_as_much_as_stated() -> None:
    sasrec, linear = spread_over_seeds("sasrec", 3), spread_over_seeds("text-linear", 3)
    assert f"Three seeds of SASRec differ by up to {sasrec:.3f} in NDCG@1, three of the linear map by up to" in PAGE
    assert f"the linear map by up to {linear:.3f}, and two of UniSRec by less than 0.001" in PAGE
    assert spread_over_seeds("unisrec", 2) < 0.001
    assert f"its three seeds differ by up to {spread_over_seeds('target-only', 3):.3f}, and" in PAGE


def test_the_means_over_seeds_are_those_stated() -> None:
    rows = json.loads((TABLES / "training-seeds.json").read_text("utf-8"))["rows"]
    cells = {row["label"]: row["cells"] for row in rows}
    lora, unisrec = (" / ".join(f"{cell['value']:.4f}" for cell in cells[label]) for label in (LORA, "UniSRec"))
    assert f"Their means are {lora} (NDCG@1 / NDCG@3), those of UniSRec {unisrec}. With" in PAGE
    assert f"Over three seeds, its means are {lora}, UniSRec's over two {unisrec}." in README
    letter = ascii_lowercase[[row["label"] for row in rows].index("UniSRec")]
    assert not any(letter in cell["better_than"] for cell in cells[LORA])


@pytest.mark.parametrize("label", [FACTORS, UPDATES, "Ties-Merging", "DARE", "LoRA-LEGO"])
def test_equal_weights_cost_at_least_what_the_readme_says(label: str) -> None:
    costs = [differences(ONE_SOURCE, TARGET, label, columns)[0][0] for columns in (0, 2)]
    (said,) = re.findall(r"costs at least (0\.\d+) in NDCG@1 on warm items", README)
    assert min(costs) >= float(said)


def test_the_lora_learns_popularity_from_titles() -> None:
    runs = [record for method in ("target-only", "text-linear") for record in runs_of(method, "warm", seed=0)]
    lora, linear = (diagnose_run(record, STORE, Metric.parse("ndcg@3")) for record in runs)
    ratios = [diagnosis.bias and diagnosis.bias.ratio for diagnosis in (lora, linear)]
    assert "its ratio is {:.1f}, that of the linear map {:.1f}".format(*ratios) in PAGE
    assert f"so is the LoRA ({lora.groups[0].value:.2f} and {lora.groups[-1].value:.2f})" in PAGE


def test_merges_above_the_targets_adapter_on_cold_items_are_not_so_after_the_correction() -> None:
    rows = json.loads((TABLES / f"{ONE_SOURCE}.json").read_text("utf-8"))["rows"]
    merging = [row for row in rows if row["label"] in ("Ext-Sub", "RecCocktail")]
    assert len(merging) == 2
    letter = ascii_lowercase[[row["label"] for row in rows if row["label"] != "Random"].index(TARGET)]
    assert not any(letter in cell["better_than"] for row in merging for cell in row["cells"][2:4])
    weaker = next(row for row in rows if row["label"] == WEAKER)
    assert all(letter in cell["better_than"] for cell in weaker["cells"][2:4])
