from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bench.data import load_domain
from bench.data.import_files import import_dataset
from bench.errors import BenchError


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("user_id,item_id,timestamp\nann,tea,1\nann,cup,2\n")
    return path


def test_imported_files_can_be_loaded_under_their_name(orders: Path, tmp_path: Path, cache_dir: Path) -> None:
    catalogue = tmp_path / "catalogue.csv.gz"
    catalogue.write_bytes(gzip.compress(b"item_id,title\ntea,Tea\n"))
    domain = import_dataset("shop", orders, catalogue, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new" / "shop").iterdir()) == ["interactions.csv", "items.csv.gz"]
    assert load_domain("shop", tmp_path / "new", cache_dir).content_hash == domain.content_hash


def test_faulty_files_are_not_copied(orders: Path, data_dir: Path) -> None:
    orders.write_text("user_id,item_id\nann\n")
    with pytest.raises(BenchError, match=r"orders\.csv, line 2"):
        import_dataset("shop", orders, None, data_dir)
    assert list(data_dir.iterdir()) == []


def test_an_existing_dataset_is_never_overwritten(orders: Path, shop: Path) -> None:
    with pytest.raises(BenchError, match="already exists"):
        import_dataset("shop", orders, None, shop.parent)
    assert "bob" in (shop / "interactions.csv").read_text()


def test_a_name_with_a_card_takes_the_card_s_rules(orders: Path, data_dir: Path) -> None:
    with pytest.raises(BenchError, match="'beauty' has no interactions left"):
        import_dataset("beauty", orders, None, data_dir)


@pytest.mark.parametrize("name", ["../up", "Shop", "", "a b", ".hidden"])
def test_names_that_cannot_be_folders_are_refused(orders: Path, data_dir: Path, name: str) -> None:
    with pytest.raises(BenchError, match="is not a valid dataset name"):
        import_dataset(name, orders, None, data_dir)


def test_a_cut_dataset_cannot_be_imported(orders: Path, data_dir: Path) -> None:
    with pytest.raises(BenchError, match="derived from 'ml-100k'"):
        import_dataset("ml-100k-drama", orders, None, data_dir)


def test_missing_files_are_named(orders: Path, data_dir: Path) -> None:
    with pytest.raises(BenchError, match=r"File .*nothing\.csv"):
        import_dataset("shop", orders, data_dir / "nothing.csv", data_dir)
