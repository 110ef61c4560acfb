from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.card import card_names
from bench.data.own_data import dataset_names, described, own_datasets, sources_of
from bench.data.prepare import card_of, load_domain
from bench.errors import BenchError

CARD = "name: {}\ndescription: Part of ml-100k.\nformat: movielens-100k\nlicence: As ml-100k.\n"
CUT = CARD + "derived_from: ml-100k\ngenres: [Drama]\nk_core: 5\nsources: [ml-100k-comedy]\n"


def with_card(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "card.yaml").write_text(text.format(folder.name))
    return folder


def test_datasets_of_both_directories_are_listed_and_the_shared_one_comes_first(shop: Path, user_data: Path) -> None:
    with_card(user_data / "drama", CUT)
    with_card(user_data / "shop", CUT)
    (shop.parent / "notes").mkdir()
    assert own_datasets(shop.parent) == {"drama": user_data / "drama", "shop": shop}
    assert own_datasets(None) == {"drama": user_data / "drama", "shop": user_data / "shop"}
    assert dataset_names(shop.parent) == [*card_names(), "drama", "shop"]
    assert dataset_names(shop.parent / "nowhere") == [*card_names(), "drama", "shop"]


def test_a_card_of_ones_own_can_cut_a_dataset_of_bench(user_data: Path, cache_dir: Path) -> None:
    with_card(user_data / "my-drama", CUT)
    mine, theirs = (load_domain(name, None, cache_dir) for name in ("my-drama", "ml-100k-drama"))
    assert mine.content_hash == theirs.content_hash
    assert sources_of("my-drama", None) == ("ml-100k-comedy",)
    assert sources_of("unknown", None) == ()


def test_a_card_must_have_its_directory_s_name(user_data: Path) -> None:
    folder = with_card(user_data / "drama", CUT.replace("{}", "crime"))
    with pytest.raises(BenchError, match=r"card\.yaml:1: 'name' of the card is 'crime', expected the directory's name"):
        card_of("drama", None)
    assert "expected the directory's name, 'drama'" in described("drama", folder)


def test_data_without_a_card_is_described_as_the_user_s_own(shop: Path) -> None:
    assert described("shop", shop) == "User's own data."
