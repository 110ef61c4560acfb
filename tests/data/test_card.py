from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.data.card import Card, cards_folder, has_card, list_cards, load_card, read_card
from bench.data.readers.formats import FORMATS
from bench.errors import BenchError

CARDS = list_cards()
GOOD = "name: shop\ndescription: A shop.\nformat: csv\nlicence: None.\n"
AMAZON_2014 = {
    *("beauty", "toys", "sports", "clothing", "health", "grocery", "tools", "video-games", "cell-phones", "home"),
    *("pet", "electronics"),
}
NAMES = {
    *("ml-100k", "ml-100k-drama", "ml-100k-comedy", "ml-100k-action", "ml-100k-thriller", "ml-100k-family"),
    *("ml-1m", "ml-10m", "electronics-2018", "sports-2018", "tools-2018", "toys-2018"),
    *AMAZON_2014,
}


def test_every_dataset_of_the_papers_has_a_card() -> None:
    assert {card.name for card in CARDS} == NAMES


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_is_complete(card: Card) -> None:
    assert card.description.endswith(".")
    assert card.licence
    assert card.titles
    assert card.format in FORMATS
    assert card.expected
    assert all(row.users > 0 and row.items > 0 and row.interactions >= row.users for row in card.expected)


@pytest.mark.parametrize("card", [card for card in CARDS if card.files], ids=lambda card: card.name)
def test_official_files_have_web_addresses(card: Card) -> None:
    assert card.files is not None
    files = [file for file in (card.files.interactions, card.files.items) if file is not None]
    assert len(files) == 2
    for file in files:
        assert urlsplit(file.address).scheme in ("http", "https")
        assert bool(file.member) == file.name.endswith(".zip")


@pytest.mark.parametrize("card", [card for card in CARDS if card.derived_from], ids=lambda card: card.name)
def test_cut_datasets_name_their_origin_and_share_no_genre(card: Card) -> None:
    assert not load_card(card.derived_from).derived_from
    others = [other for other in CARDS if other.derived_from == card.derived_from and other != card]
    assert card.genres
    assert not any(set(card.genres) & set(other.genres) for other in others)


def test_cards_are_data_only() -> None:
    assert not (cards_folder() / "__init__.py").exists()


def test_the_packaged_folder_comes_before_the_repository_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.files.shipped.__file__", str(tmp_path / "bench" / "files" / "shipped.py"))
    assert cards_folder() == tmp_path / "datasets"
    (tmp_path / "bench" / "shipped" / "cards").mkdir(parents=True)
    assert cards_folder() == tmp_path / "bench" / "shipped" / "cards"


def test_an_unknown_dataset_names_near_ones_and_the_command() -> None:
    with pytest.raises(
        BenchError, match=r"Unknown dataset 'beaty'. Did you mean beauty( or [a-z0-9-]+)*\? See 'bench list datasets'."
    ):
        load_card("beaty")
    assert not has_card("beaty")
    assert has_card("beauty")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD + "k_cor: 5\n", ":5: unknown key 'k_cor' in the card. Did you mean k_core?"),
        (GOOD + "zzz: 5\n", ":5: unknown key 'zzz' in the card. Known keys: name"),
        (GOOD + "k_core: five\n", ":5: 'k_core' of the card is 'five', expected a whole number above 0"),
        (GOOD + "k_core: true\n", ":5: 'k_core' of the card is True, expected a whole number above 0"),
        (GOOD + "one_a_day: 1\n", ":5: 'one_a_day' of the card is 1, expected true or false"),
        (GOOD + "user_share: 3\n", ":5: 'user_share' of the card is 3, expected a number between 0 and 1"),
        (GOOD + "user_share: true\n", ":5: 'user_share' of the card is True, expected a number between 0 and 1"),
        (GOOD + "titles:\n", ":5: 'titles' of the card is None, expected some text"),
        (
            GOOD + "files:\n  interactions: {adress: x}\n",
            ":6: unknown key 'adress' in 'interactions'. Did you mean address?",
        ),
        (GOOD + "files: {items: {address: x}}\n", ":5: key 'interactions' is missing in 'files'"),
        (GOOD + "files: []\n", ":5: 'files' is list, expected a mapping with interactions, items"),
        (GOOD + "expected: [{by: x, users: 1}]\n", ":5: key 'items' is missing in expected count 1"),
        (
            GOOD + "expected:\n- {by: x, users: 1, items: 1, interactions: [1]}\n",
            ":6: 'interactions' of expected count 1 is [1], expected a whole number above 0",
        ),
        (GOOD + "expected: 5\n", ":5: 'expected' of the card is 5, expected a list"),
        (GOOD + "genres: Drama\n", ":5: 'genres' of the card is 'Drama', expected a list of names"),
        (GOOD + "sources: [[a], [b]]\n", ":5: 'sources' of the card is [['a'], ['b']], expected a list of names"),
        (GOOD.replace("csv", "cvs"), ":3: 'format' of the card is 'cvs', expected csv or"),
        (GOOD.replace("csv", "cvs"), "Did you mean csv?"),
        (GOOD + "format: csv\n", ":5: key 'format' occurs twice"),
        ("name: shop\n", ":1: key 'description' is missing in the card"),
        ("- a\n- b\n", ":1: the card is list, expected a mapping with name"),
        ("", ":1: the card is empty, expected a mapping with name"),
        ("name: [\n", "Cannot read"),
        (
            GOOD.replace("name: shop", "name: stop"),
            ":1: 'name' of the card is 'stop', expected the file's name, 'shop'",
        ),
    ],
)
def test_a_wrong_card_names_the_line_and_the_key(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError) as caught:
        read_card(path)
    assert expected in str(caught.value)
    assert "shop.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Card)])
def test_a_list_of_lists_is_nowhere_a_value(tmp_path: Path, key: str) -> None:
    path = tmp_path / "shop.yaml"
    text = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(f"{key}:"))
    path.write_text(text + f"{key}: [[1], [a]]\n", encoding="utf-8")
    with pytest.raises(BenchError, match=r"shop\.yaml:[45]: .* expected "):
        read_card(path)
