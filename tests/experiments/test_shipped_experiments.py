from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import pytest

from bench.experiments.complete import complete_experiment
from bench.experiments.experiment import (
    PaperPlace,
)
from bench.experiments.reader import experiment_names, load_experiment
from bench.experiments.scale import SCALES
from bench.experiments.scaling import scaled
from bench.lm.adapters.adapter import LoraRecipe
from bench.lm.pairs.model import PairRecipe
from bench.papers.printed import published_figures, published_tables
from bench.registry import registry
from bench.runs.params import build_params


@pytest.mark.parametrize("name", experiment_names())
def test_each_shipped_experiment_can_be_read_and_expanded(name: str) -> None:
    experiment = load_experiment(name)
    runs = [cell.request for cell in experiment.cells()]
    keys = {run.command() for run in runs}
    assert len(keys) == len(runs)
    assert runs or experiment.statistics


def test_the_main_table_has_the_rows_and_columns_of_its_description() -> None:
    experiment = load_experiment("main-warm-cold")
    methods = [row.method for row in experiment.rows]
    assert methods[-1] == "reccocktail"
    assert {"text-knn", "text-linear"} < set(methods)
    assert [dataset.name for dataset in experiment.datasets] == ["beauty"]
    assert len(list(experiment.cells())) == len(methods) * 2 * 3


@pytest.mark.parametrize("name", experiment_names())
def test_each_run_of_a_shipped_experiment_can_be_completed_and_is_there_once(name: str) -> None:
    """Methods, parameters, settings and sources all fit together, and no two places ask for the same run."""
    specs = [spec for _, spec in complete_experiment(load_experiment(name))]
    assert len({spec.hash() for spec in specs}) == len(specs)
    for spec in specs:
        build_params(spec.method, registry().recommender(spec.method).Params, spec.params)


def test_the_sweep_has_twenty_one_points_and_none_takes_a_mark() -> None:
    rows = load_experiment("weaverec-figure8").rows
    points = [row for row in rows if "target_weight" in row.params]
    assert [row.params["target_weight"] for row in points] == [round(0.05 * step, 2) for step in range(21)]
    assert [row.reference for row in rows] == [True] * 21 + [False] * 2
    assert rows[-1].params == {"weights": "validated"}


def test_each_target_of_the_cross_domain_table_has_the_other_three_as_sources() -> None:
    datasets = load_experiment("weaverec-table1").datasets
    names = {dataset.name for dataset in datasets}
    assert names == {"beauty", "toys", "clothing", "health"}
    assert all(set(dataset.sources) == names - {dataset.name} for dataset in datasets)
    platforms = load_experiment("weaverec-table2").datasets
    assert {dataset.name: dataset.sources for dataset in platforms} == {"toys": ("ml-1m",), "ml-1m": ("toys",)}


def test_xcross_s_tables_share_their_adapters_and_runs() -> None:
    files = {"overall": "table2", "ablation": "table4", "layers": "figure4", "training size": "table3"}
    tables = {name: load_experiment(f"xcross-{file}") for name, file in files.items()}
    runs = {name: [spec for _, spec in complete_experiment(table)] for name, table in tables.items()}
    assert {spec.protocol.setting for specs in runs.values() for spec in specs} == {"user-split"}
    assert all(table.percent for table in tables.values())
    assert [dataset.name for dataset in tables["overall"].datasets] == ["beauty"]
    systems = {row.method for row in tables["overall"].rows}
    assert systems >= {"text-knn", "text-linear", "lora", "source-lora", "pooler-scorer", "xcross"}
    recipe = [field.name for field in dataclasses.fields(PairRecipe)]
    adapters = {
        tuple(spec.params.get(name) for name in recipe)
        for name in ("overall", "ablation", "layers")
        for spec in runs[name]
        if spec.method.startswith(("lora", "source-lora", "pooler-scorer", "xcross")) and "pooling" not in spec.params
    }
    assert len(adapters) == 1
    overall = {spec.hash() for spec in runs["overall"]}
    whole = [spec.hash() for spec in runs["ablation"] if spec.method == "xcross"]
    assert len(whole) == 1
    assert overall >= set(whole)
    none_integrated = [spec.hash() for spec in runs["layers"] if spec.method == "xcross-no-layers"]
    assert {spec.hash() for spec in runs["ablation"]} >= set(none_integrated)
    integrated = [spec.params["integrated_layers"] for spec in runs["layers"] if spec.method == "xcross"]
    assert integrated == [1, 2, 3, 4, 5, 6]


def test_xcross_s_curve_has_five_subsets_of_each_size_and_one_reference() -> None:
    table = load_experiment("xcross-table3")
    sized = [cell.request for cell in table.cells() if cell.request.train_users]
    assert Counter((run.method, run.train_users) for run in sized) == {
        (method, size): 5 for method in ("xcross", "lora") for size in (50, 100, 200, 400, 1000)
    }
    assert [row.method for row in table.rows if row.reference] == ["source-lora"]


def test_few_shot_rows_come_in_three_nested_shares() -> None:
    rows = load_experiment("reccocktail-table3").rows
    shares: dict[str, list[float]] = {}
    for row in rows:
        shares.setdefault(row.method, []).append(row.train_share)
    learning = ("sasrec", "tallrec", "second-finetune", "reccocktail")
    assert all(shares[method] == [0.1, 0.2, 0.3] for method in learning)


def test_the_number_of_sources_grows_by_one_a_row() -> None:
    rows = load_experiment("weaverec-figure7").rows
    for method in ("weaverec", "weight-average"):
        chosen = [row.sources or () for row in rows if row.method == method]
        assert [len(names) for names in chosen] == [1, 2, 3, 4]
        assert all(set(fewer) < set(more) for fewer, more in itertools.pairwise(chosen))


@pytest.mark.parametrize("name", ["reccocktail-figure4", "reccocktail-components"])
def test_the_cocktail_s_variants_train_no_other_adapters_than_the_main_table(name: str) -> None:
    """They differ in how they merge alone, on the same targets and sources."""
    recipe = {field.name for field in dataclasses.fields(LoraRecipe)}
    experiment, main = load_experiment(name), load_experiment("main-warm-cold")
    assert (experiment.datasets, experiment.settings, experiment.backbone) == (
        main.datasets,
        main.settings,
        main.backbone,
    )
    assert not any(recipe & set(row.params) for row in experiment.rows)


@pytest.mark.parametrize(
    "name", ["weaverec-table3", "weaverec-table4", "weaverec-figure8", "weaverec-figure10", "weaverec-figure7"]
)
def test_weaverec_s_analyses_train_with_the_cross_domain_table_s_recipe(name: str) -> None:
    recipe = {field.name for field in dataclasses.fields(LoraRecipe)}
    experiment = load_experiment(name)
    assert not any(recipe & set(row.params) for row in experiment.rows)
    assert (experiment.backbone, experiment.settings) == ("minilm", ("warm",))


@pytest.mark.parametrize("paper", ["reccocktail", "weaverec"])
def test_every_table_and_figure_of_a_paper_has_an_experiment_of_its_name(paper: str) -> None:
    for place in (*published_tables(paper), *published_figures(paper)):
        experiment = load_experiment(f"{paper}-{place}")
        assert PaperPlace(paper, place) in experiment.reproduces
        assert (experiment.figure is not None) or not place.startswith("figure")
        assert experiment.published or place.startswith("figure")


ROWS_ALIKE = {("decoder-beauty", "smoke"): 1}
"""Number of runs that equal another one: at this scale, the row with 2,000 examples has as few as that with 1,000."""


@pytest.mark.parametrize("name", experiment_names())
@pytest.mark.parametrize("scale", SCALES)
def test_each_shipped_experiment_has_different_runs_at_every_scale(name: str, scale: str) -> None:
    completed = complete_experiment(scaled(load_experiment(name), scale, registry()))
    n_alike = ROWS_ALIKE.get((name, scale), 0)
    assert len({spec.hash() for _, spec in completed}) == len(completed) - n_alike
