from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.card import load_card
from bench.data.prepare import card_of, load_domain
from bench.errors import BenchError
from bench.experiments.complete import complete_experiment
from bench.experiments.reader import read_experiment
from bench.plugin import Entry
from bench.templates import yaml_files
from bench.templates.yaml_files import write_dataset_card, write_experiment


def experiment(folder: Path, name: str = "my-table", methods: tuple[str, ...] = ("random", "popularity")) -> Path:
    return write_experiment(name, ("ml-100k-drama",), methods, (), folder, None)


def test_a_new_card_is_a_dataset_as_it_is(user_data: Path, tmp_path: Path) -> None:
    path = write_dataset_card("dark-movies", user_data, None)
    assert path == user_data / "dark-movies" / "card.yaml"
    domain = load_domain("dark-movies", None, tmp_path / "cache")
    assert domain.n_items > 60
    assert domain.titled
    assert card_of("dark-movies", None).sources == ("ml-100k-comedy", "ml-100k-drama")


def test_in_a_checkout_a_card_goes_beside_the_others_and_otherwise_to_the_user_s(
    user_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "datasets").mkdir()
    monkeypatch.setattr(yaml_files, "cards_folder", lambda: tmp_path / "datasets")
    assert write_dataset_card("mine", None, None) == tmp_path / "datasets" / "mine.yaml"
    monkeypatch.setattr(yaml_files, "cards_folder", lambda: tmp_path / "bench" / "shipped" / "cards")
    assert write_dataset_card("mine", None, None) == user_data / "mine" / "card.yaml"


def test_the_commented_lines_of_a_card_are_right_as_well(user_data: Path) -> None:
    path = write_dataset_card("office", user_data, None)
    lines = path.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line == "# files:")
    end = next(number for number in range(start, len(lines)) if not lines[number])
    used = [line.removeprefix("# ") if start <= number < end else line for number, line in enumerate(lines)]
    path.write_text("\n".join(line for line in used if not line.startswith(("derived_from", "genres"))))
    card = card_of("office", None)
    assert card.files is not None
    assert (card.files.interactions.name, card.files.interactions.megabytes) == ("reviews.json.gz", 40)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("beauty", "Dataset 'beauty' already exists"),
        ("My Data", "is not a valid dataset name"),
        ("a/b", "did you|Did you"),
    ],
)
def test_a_name_that_cannot_be_a_new_dataset_is_refused(user_data: Path, name: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        write_dataset_card(name, user_data, None)
    assert not user_data.exists()


def test_a_card_is_never_overwritten(user_data: Path) -> None:
    write_dataset_card("mine", user_data, None)
    with pytest.raises(BenchError, match="Dataset 'mine' already exists"):
        write_dataset_card("mine", user_data, None)


def test_a_new_experiment_can_be_read_and_all_its_runs_are_possible(tmp_path: Path) -> None:
    path = experiment(tmp_path, methods=("random", "recbole:SASRec", "reccocktail"))
    runs = [spec for _, spec in complete_experiment(read_experiment(path))]
    assert [spec.method for spec in runs] == ["random", "recbole:SASRec", "reccocktail"]
    assert runs[-1].sources == tuple(sorted(load_card("ml-100k-drama").sources))
    assert f"bench reproduce {path}" in path.read_text()


def test_rows_are_labelled_by_the_titles_of_their_methods(tmp_path: Path) -> None:
    methods = ("popularity", "text-knn", "bpr", "recbole:SASRec")
    rows = read_experiment(experiment(tmp_path, methods=methods)).rows
    assert [row.label for row in rows] == ["Popularity", "Text k-NN", "BPR-MF", "RecBole SASRec"]


def test_methods_of_the_same_title_are_labelled_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry, "displayed_name", lambda *_: "The same")
    rows = read_experiment(experiment(tmp_path)).rows
    assert [row.label for row in rows] == ["random", "popularity"]


def test_sources_can_be_chosen_for_all_columns(tmp_path: Path) -> None:
    sources = ("ml-100k-thriller",)
    path = write_experiment("t", ("ml-100k-drama", "ml-100k"), ("reccocktail",), sources, tmp_path, None)
    assert {spec.sources for _, spec in complete_experiment(read_experiment(path))} == {sources}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "My Table"}, "'My Table' is not a valid name of an experiment"),
        ({"name": "demo"}, "Experiment 'demo' already exists"),
        ({"methods": ("sasrek",)}, "Unknown method 'sasrek'. Did you mean sasrec"),
        ({"methods": ("popularity", "sasrec", "lora-lego-lego")}, "Unknown method 'lora-lego-lego'"),
    ],
)
def test_a_mistake_is_refused_and_nothing_is_written(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        experiment(tmp_path, **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_method_without_its_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"Row 1 of 't' .*needs source datasets"):
        write_experiment("t", ("ml-100k",), ("reccocktail",), (), tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_is_never_overwritten(tmp_path: Path) -> None:
    path = experiment(tmp_path)
    path.write_text("precious")
    with pytest.raises(BenchError, match="already exists"):
        experiment(tmp_path)
    assert path.read_text() == "precious"
