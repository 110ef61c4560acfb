from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.data.card import Card, cards_folder, has_card, list_cards, load_card, read_card
from bench.data.readers import FORMATS
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
    monkeypatch.setattr("bench.__file__", str(tmp_path / "bench" / "__init__.py"))
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
        (GOOD + "k_cor: 5\n", "unknown field 'k_cor' in card. Did you mean k_core?"),
        (GOOD + "zzz: 5\n", "unknown field 'zzz' in card. Known: name"),
        (GOOD + "k_core: five\n", "field 'k_core' in card is 'five', expected int"),
        (GOOD + "k_core: true\n", "field 'k_core' in card is True, expected int"),
        (
            GOOD + "files: {interactions: {adress: x}}\n",
            "unknown field 'adress' in interactions. Did you mean address?",
        ),
        (GOOD + "files: {items: {address: x}}\n", "field 'interactions' is missing in files"),
        (GOOD + "expected: [{by: x, users: 1}]\n", "field 'items' is missing in expected"),
        (GOOD + "expected: 5\n", "field 'expected' in card is 5, expected a list"),
        (GOOD + "genres: Drama\n", "field 'genres' in card is 'Drama', expected a list"),
        (GOOD + "format: cvs\n", "unknown format 'cvs'. Did you mean csv?"),
        ("name: shop\n", "field 'description' is missing in card"),
        ("- a\n- b\n", "card is list, expected fields with values"),
        ("name: [\n", "is not YAML"),
        (GOOD.replace("name: shop", "name: stop"), "the card is called 'stop', expected 'shop'"),
    ],
)
def test_a_wrong_card_names_the_field(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError) as caught:
        read_card(path)
    assert expected in str(caught.value)
    assert "shop.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
