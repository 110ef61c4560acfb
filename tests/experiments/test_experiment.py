from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.experiments.experiment import (
    Experiment,
    ExperimentDataset,
    ExperimentRow,
    FigureSpec,
    PaperPlace,
    PublishedReference,
)
from bench.experiments.reader import load_experiment
from bench.plugin import Entry
from bench.runs.request import RunRequest

MINIMAL = """\
name: small
caption: A small table.
datasets: {beauty: {title: Beauty, sources: [clothing]}}
settings: [warm, cold]
metrics: [ndcg@1]
rows:
  - {method: bpr}
"""


def written(folder: Path, text: str, name: str = "small") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_minimal_file_gets_the_defaults(tmp_path: Path) -> None:
    assert load_experiment(str(written(tmp_path, MINIMAL))) == Experiment(
        name="small",
        caption="A small table.",
        rows=(ExperimentRow("bpr", "bpr"),),
        datasets=(ExperimentDataset("beauty", "Beauty", ("clothing",)),),
        settings=("warm", "cold"),
        metrics=("ndcg@1",),
    )


def test_every_field_is_read(tmp_path: Path) -> None:
    text = MINIMAL.replace(
        "{method: bpr}", "{method: bpr, label: BPR, params: {size: 8}, reference: true, group: Old}"
    ) + (
        "seeds: [0, 1]\nbackbone: tiny\npolicy: natural\nprotocol_seed: 3\nlimit_queries: 500\npercent: true\n"
        "star: {test: permutation, level: 0.01, metrics: [ndcg@1], style: letters}\n"
        "published: [{paper: weaverec, table: table1, setting: warm, not_comparable: other data}]\n"
    )
    experiment = load_experiment(str(written(tmp_path, text)))
    assert experiment.rows == (ExperimentRow("bpr", "BPR", {"size": 8}, reference=True, group="Old"),)
    assert (experiment.seeds, experiment.backbone, experiment.policy) == ((0, 1), "tiny", "natural")
    assert (experiment.protocol_seed, experiment.limit_queries, experiment.percent) == (3, 500, True)
    assert (experiment.test, experiment.level, experiment.star_metrics) == ("permutation", 0.01, ("ndcg@1",))
    assert experiment.star_style == "letters"
    assert experiment.published == (PublishedReference("weaverec", "table1", "warm", "other data"),)


def test_a_row_may_be_wanted_in_some_settings_only(tmp_path: Path) -> None:
    text = MINIMAL.replace("{method: bpr}", "{method: bpr, settings: [cold]}\n  - {method: random}")
    cells = load_experiment(str(written(tmp_path, text))).cells()
    assert [(cell.row.method, cell.request.setting) for cell in cells] == [
        ("bpr", "cold"),
        ("random", "warm"),
        ("random", "cold"),
    ]


def test_a_row_may_be_wanted_on_some_datasets_only(tmp_path: Path) -> None:
    text = MINIMAL.replace("sources: [clothing]}}", "sources: [clothing]}, toys: {}}")
    text = text.replace("{method: bpr}", "{method: bpr, datasets: [toys]}\n  - {method: random}")
    cells = list(load_experiment(str(written(tmp_path, text))).cells())
    asked = {(cell.row.method, cell.dataset.name) for cell in cells}
    assert asked == {("bpr", "toys"), ("random", "beauty"), ("random", "toys")}
    with pytest.raises(BenchError, match="Did you mean toys"):
        load_experiment(str(written(tmp_path, text.replace("datasets: [toys]", "datasets: [toy]"))))


def test_a_dataset_may_be_used_in_some_settings_only(tmp_path: Path) -> None:
    text = MINIMAL.replace("sources: [clothing]}}", "sources: [clothing]}, toys: {settings: [warm]}}")
    cells = load_experiment(str(written(tmp_path, text))).cells()
    assert [(cell.dataset.name, cell.request.setting) for cell in cells] == [
        ("beauty", "warm"),
        ("beauty", "cold"),
        ("toys", "warm"),
    ]


def test_a_row_may_have_sources_of_its_own_and_learn_from_a_share(tmp_path: Path) -> None:
    row = "{method: weaverec, sources: [toys, health], train_share: 0.1}"
    cells = load_experiment(
        str(written(tmp_path, MINIMAL.replace("{method: bpr}", f"{row}\n  - method: all-data")))
    ).cells()
    commands = [cell.request.command() for cell in cells if cell.request.setting == "warm"]
    start = "bench run --method {} --dataset beauty --setting warm --backbone minilm --source-datasets {}"
    assert commands == [
        start.format("weaverec", "toys,health") + " --train-fraction 0.1",
        start.format("all-data", "clothing"),
    ]


def test_a_row_has_no_run_on_a_target_among_its_own_sources(tmp_path: Path) -> None:
    datasets = "{beauty: {sources: [clothing, toys]}, toys: {sources: [beauty, clothing]}}"
    text = MINIMAL.replace("{beauty: {title: Beauty, sources: [clothing]}}", datasets)
    text = text.replace("{method: bpr}", "{method: source-lora, sources: [toys]}")
    cells = list(load_experiment(str(written(tmp_path, text))).cells())
    assert {(cell.dataset.name, cell.request.sources) for cell in cells} == {("beauty", ("toys",))}


def test_a_row_of_some_training_users_is_run_once_a_subset(tmp_path: Path) -> None:
    rows = "{method: bpr, train_users: 50}\n  - {method: random}"
    text = MINIMAL.replace("{method: bpr}", rows) + "train_subsets: [0, 4]\n"
    cells = [cell for cell in load_experiment(str(written(tmp_path, text))).cells() if cell.request.setting == "warm"]
    assert [(cell.row.method, cell.request.train_users, cell.request.train_subset) for cell in cells] == [
        ("bpr", 50, 0),
        ("bpr", 50, 4),
        ("random", None, 0),
    ]
    assert cells[1].request.used_by(Entry("bpr", "general")).command().endswith(" --train-users 50 --subset-index 4")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("metrics:", "metrcs:", r"small\.yaml:5: unknown key 'metrcs' in the experiment\. Did you mean metrics\?"),
        ("{method: bpr}", "{methd: bpr}", r"unknown key 'methd' in row 1\. Did you mean method\?"),
        ("title:", "titel:", r"unknown key 'titel' in dataset 'beauty'\. Did you mean title\?"),
        ("caption: A small table.\n", "", r"key 'caption' is missing in the experiment"),
        ("ndcg@1", "ndgc@1", r"'metrics' of the experiment is .*expected metrics such as ndcg@1"),
        (
            "rows:",
            "published: [{paper: weaverec, table: tabel1, setting: warm}]\nrows:",
            r"'table' .*expected table1 or table2",
        ),
        ("rows:", "percent: 100\nrows:", r"'percent' of the experiment is 100, expected true or false"),
        ("[warm, cold]", "[warm, colder]", r"'settings' .*expected a list of warm or cold"),
        ("[warm, cold]", "[warm, warm]", r"'settings' "),
        ("{beauty:", "{../beauty:", r"small\.yaml:3: '\.\./beauty' is not a valid dataset name.*Did you mean beauty\?"),
        ("{beauty:", '{"beauty\\ntouch x\\n#":', r"small\.yaml:3: 'datasets' .*expected a mapping from names"),
        ("[clothing]", "[./clothing]", r"small\.yaml:3: '\./clothing' is not a valid.* Did you mean clothing\?"),
        ("{method: bpr}", "{method: bpr, sources: [toys/]}", r"small\.yaml:7: 'toys/' is not a valid dataset name"),
        ("[clothing]", "[beauty]", r"expected source domains other than 'beauty' itself"),
        ("[clothing]", "clothing", r"'sources' of dataset 'beauty' is 'clothing', expected a list of names"),
        ("name: small", "name: large", r"'name' of the experiment is 'large', expected the file's name, 'small'"),
        ("  - {method: bpr}", "  []", r"'rows' .*expected a list with at least one entry"),
        ("  - {method: bpr}", "  - bpr", r"row 1 is str, expected a mapping with method"),
        ("{beauty: {title: Beauty, sources: [clothing]}}", "{}", r"'datasets' .*expected a mapping from dataset names"),
        ("{method: bpr}", "{method: bpr, sources: []}", r"'sources' of row 1 is \[\], expected at least one source"),
        ("{method: bpr}", "{method: bpr, sources: [beauty]}", r"'sources' of row 1 .*not every target of the table"),
        ("{method: bpr}", "{method: bpr, sources: toys}", r"'sources' of row 1 is 'toys', expected a list of names"),
        ("{method: bpr}", "{method: bpr, train_share: 10}", r"'train_share' of row 1 is 10, expected a number between"),
        ("{method: bpr}", "{method: bpr, train_users: 0}", r"'train_users' of row 1 is 0, expected a whole number"),
        ("rows:", "train_subsets: [1, 1]\nrows:", r"'train_subsets' .*expected different whole numbers"),
        ("rows:", "seeds: [0, 0]\nrows:", r"'seeds' .*expected different whole numbers"),
        ("rows:", "limit_queries: 0\nrows:", r"'limit_queries' .*expected a whole number above 0"),
        ("rows:", "star: {test: ttest}\nrows:", r"'test' of 'star' is 'ttest', expected t-test or wilcoxon"),
        ("rows:", "star: {style: letter}\nrows:", r"'style' of 'star' is 'letter', expected star or letters"),
        ("rows:", "star: {level: 5}\nrows:", r"'level' of 'star' is 5, expected a number between 0 and 1"),
        ("rows:", "policy: naturally\nrows:", r"'policy' .*expected holdout or natural"),
        ("rows:", "candidates: [all]\nrows:", r"'candidates' .*expected a list of sampled or full"),
        ("name: small", "name: [", r"Cannot read .*small\.yaml"),
        ("rows:", "metrics: [hit@1]\nrows:", r"small\.yaml:6: key 'metrics' occurs twice"),
        ("[warm, cold]", "[warm, colt]", r"small\.yaml:4: 'settings' .*Did you mean cold\?"),
        ("rows:", "policy: naturl\nrows:", r"small\.yaml:6: .*Did you mean natural\?"),
        ("rows:", "reproduces: [{paper: weverec, table: table1}]\nrows:", r"'paper' .*Did you mean weaverec\?"),
        ("rows:", "reproduces: [{paper: weaverec}]\nrows:", r"expected either a table or a figure of the paper"),
        ("rows:", "reproduces: [{paper: weaverec, figure: figure9}]\nrows:", r"'figure' .*expected figure2 or figure3"),
        ("rows:", "scales: {smok: {}}\nrows:", r"unknown key 'smok' in 'scales'\. Did you mean smoke\?"),
        (
            "rows:",
            "scales: {cpu: {limit: 5}}\nrows:",
            r"unknown key 'limit' in scale 'cpu'\. Did you mean",
        ),
        ("rows:", "figure: {x: layers}\nrows:", r"'x_label' of 'figure' is None, expected some text"),
        ("rows:", "figure: {kind: dots, x: layers}\nrows:", r"'x' of 'figure' .*no such key for dots"),
        (
            "rows:",
            "figure: {kind: dots, y: [ndcg@3]}\nrows:",
            r"'y' of 'figure' .*expected a list of ndcg@1\.",
        ),
        ("{method: bpr}", "{method: bpr, x: three}", r"small\.yaml:7: 'x' of row 1 is 'three', expected a number"),
        ("settings: [warm, cold]", "statistics: [users]", r"unknown key 'metrics' in the experiment"),
    ],
)
def test_a_mistake_names_file_key_and_what_was_expected(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = written(tmp_path, MINIMAL.replace(old, new))
    with pytest.raises(BenchError, match=complaint) as error:
        load_experiment(str(path))
    assert "small.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_experiment_names_near_ones(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL)
    assert load_experiment("small", tmp_path).name == "small"
    with pytest.raises(BenchError, match=r"Unknown experiment 'smal'\. Did you mean small\?"):
        load_experiment("smal", tmp_path)


def test_cells_are_the_product_of_rows_datasets_settings_and_seeds(tmp_path: Path) -> None:
    text = MINIMAL.replace("{method: bpr}", "{method: bpr}\n  - {method: lora, backbone: tiny}") + "seeds: [0, 1]\n"
    cells = list(load_experiment(str(written(tmp_path, text))).cells())
    assert len(cells) == 2 * 1 * 2 * 2
    assert cells[0].request == RunRequest("bpr", "beauty", "warm", sources=("clothing",), backbone="minilm")
    assert cells[-1].request == RunRequest("lora", "beauty", "cold", seed=1, sources=("clothing",), backbone="tiny")


def test_candidates_of_both_kinds_give_a_run_each(tmp_path: Path) -> None:
    experiment = load_experiment(str(written(tmp_path, MINIMAL + "candidates: [sampled, full]\n")))
    runs = [cell.request for cell in experiment.cells()]
    assert [(run.setting, run.full_ranking) for run in runs] == [
        ("warm", False),
        ("warm", True),
        ("cold", False),
        ("cold", True),
    ]
    assert runs[1] == dataclasses.replace(runs[0], full_ranking=True)
    assert runs[1].command() == runs[0].command() + " --full-ranking"


def test_the_command_of_a_planned_run_names_what_the_method_uses() -> None:
    params = {"size": 8, "loss": "a b"}
    chosen: dict[str, Any] = {"sources": ("x", "y"), "backbone": "tiny", "seed": 2, "limit_queries": 500}
    run = RunRequest("bpr", "beauty", "cold", "natural", 1, params, **chosen)
    rest = "--seed 2 --limit 500 -p size=8 -p 'loss=a b'"
    start = "bench run --method bpr --dataset beauty --setting cold --cold-policy natural --split-seed 1"
    assert run.command() == f"{start} --backbone tiny --source-datasets x,y {rest}"
    assert run.used_by(Entry("bpr", "general")).command() == f"{start} {rest}"


def test_a_figure_and_what_is_reproduced_are_read(tmp_path: Path) -> None:
    text = MINIMAL + (
        "reproduces: [{paper: weaverec, figure: figure8}, {paper: weaverec, table: table1}]\n"
        "figure: {x: layers, x_label: Layers, y: [ndcg@1, weight], y_labels: {weight: Weight}, lines: {bpr: BPR}}\n"
        "scales: {full: {backbone: other/model, says: a lot}}\n"
    )
    experiment = load_experiment(str(written(tmp_path, text)))
    assert experiment.reproduces == (PaperPlace("weaverec", "figure8"), PaperPlace("weaverec", "table1"))
    assert [place.title for place in experiment.reproduces] == ["figure 8", "table 1"]
    expected = FigureSpec("lines", ("ndcg@1", "weight"), "layers", "Layers", {"bpr": "BPR"}, {"weight": "Weight"})
    assert experiment.figure == expected
    assert [(own.name, own.backbone, own.says) for own in experiment.own_scales] == [("full", "other/model", "a lot")]


def test_a_dataset_may_have_rows_of_some_methods_only(tmp_path: Path) -> None:
    text = MINIMAL.replace("sources: [clothing]}}", "sources: [clothing]}, sports: {methods: [bpr]}}")
    text = text.replace("{method: bpr}", "{method: bpr}\n  - {method: random}")
    cells = [cell for cell in load_experiment(str(written(tmp_path, text))).cells() if cell.request.setting == "warm"]
    assert [(cell.row.method, cell.dataset.name) for cell in cells] == [
        ("bpr", "beauty"),
        ("bpr", "sports"),
        ("random", "beauty"),
    ]


def test_rows_that_are_ours_have_the_star_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    owned = MINIMAL.replace("{method: bpr}", "{method: bpr, ours: true}")
    assert load_experiment(str(written(tmp_path, owned))).rows[0].ours
    assert load_experiment(str(written(tmp_path, owned))).star_style == "ours"
    assert load_experiment(str(written(tmp_path, owned + "\nstar: {style: star}\n"))).star_style == "star"
    with pytest.raises(BenchError, match="'ours'"):
        load_experiment(
            str(written(tmp_path, MINIMAL.replace("{method: bpr}", "{method: bpr, ours: true, reference: true}")))
        )


def test_the_number_of_negatives_is_part_of_every_run(tmp_path: Path) -> None:
    experiment = load_experiment(str(written(tmp_path, MINIMAL + "n_negatives: 99\n")))
    assert {cell.request.protocol.n_negatives for cell in experiment.cells()} == {99}
    with pytest.raises(BenchError, match="'n_negatives'"):
        load_experiment(str(written(tmp_path, MINIMAL + "n_negatives: 10001\n")))
