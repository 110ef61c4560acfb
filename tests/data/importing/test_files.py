from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import yaml

from bench.data.card import load_card, own_data_card
from bench.data.importing.files import check_not_hidden, import_dataset
from bench.data.importing.options import ImportOptions
from bench.data.locate import locate
from bench.data.prepare import load_domain, read_source
from bench.errors import BenchError

ROWS = "user_id,item_id,timestamp\nann,tea,1\nann,cup,2\n"


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ROWS)
    return path


def test_imported_files_can_be_loaded_under_their_name(orders: Path, tmp_path: Path, cache_dir: Path) -> None:
    catalogue = tmp_path / "catalogue.csv.gz"
    catalogue.write_bytes(gzip.compress(b"item_id,title\ntea,Tea\n"))
    imported = import_dataset("shop", orders, catalogue, tmp_path / "new")
    assert imported.folder == tmp_path / "new" / "shop"
    assert sorted(path.name for path in imported.folder.iterdir()) == ["card.yaml", "interactions.csv", "items.csv"]
    loaded = load_domain("shop", tmp_path / "new", cache_dir)
    assert loaded.content_hash == imported.domain.content_hash
    assert sorted(loaded.titles) == ["", "Tea"]


def test_where_it_goes_is_told_before_anything_is_read(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(BenchError, match=r"File .*nothing\.csv does not exist"):
        import_dataset("shop", tmp_path / "nothing.csv", None, tmp_path / "data", progress=told.append)
    assert told == [f"Importing shop into {tmp_path / 'data' / 'shop'}"]


def test_an_import_is_found_without_a_data_directory_and_after_a_shared_one(
    orders: Path, user_data: Path, shop: Path, cache_dir: Path
) -> None:
    mine = import_dataset("stall", orders, None, user_data).domain.content_hash
    assert load_domain("stall", None, cache_dir).content_hash == mine
    assert load_domain("stall", shop.parent, cache_dir).content_hash == mine
    import_dataset("shop", orders, None, user_data)
    assert load_domain("shop", shop.parent, cache_dir).n_users == 2
    assert load_domain("shop", None, cache_dir).n_users == 1


def test_a_name_that_a_shared_directory_would_hide_is_refused(shop: Path) -> None:
    with pytest.raises(BenchError, match=f"which would be used instead .{shop}.: choose another name.$"):
        check_not_hidden("shop", shop.parent)
    check_not_hidden("stall", shop.parent)
    check_not_hidden("shop", None)


def test_faulty_files_are_not_copied(orders: Path, data_dir: Path) -> None:
    orders.write_text("user_id,item_id\nann\n")
    with pytest.raises(BenchError, match=r"orders\.csv, line 2"):
        import_dataset("shop", orders, None, data_dir)
    assert list(data_dir.iterdir()) == []


def test_an_existing_dataset_is_only_replaced_on_request(orders: Path, shop: Path) -> None:
    with pytest.raises(BenchError, match="already exists: replace it with --overwrite"):
        import_dataset("shop", orders, None, shop.parent)
    assert "bob" in (shop / "interactions.csv").read_text()
    import_dataset("shop", orders, None, shop.parent, ImportOptions(overwrite=True))
    assert "bob" not in (shop / "interactions.csv").read_text()
    assert sorted(path.name for path in shop.parent.iterdir()) == ["shop"]


def test_a_failed_replacement_leaves_the_earlier_dataset(orders: Path, shop: Path) -> None:
    before = (shop / "interactions.csv").read_text()
    options = ImportOptions(overwrite=True, k_core=3)
    with pytest.raises(BenchError, match="no interactions left after filtering"):
        import_dataset("shop", orders, None, shop.parent, options)
    assert (shop / "interactions.csv").read_text() == before
    assert [path.name for path in shop.parent.iterdir()] == ["shop"]


def test_files_that_no_import_wrote_are_never_replaced(orders: Path, shop: Path) -> None:
    (shop / "thesis.tex").write_text("precious")
    with pytest.raises(BenchError, match=r"contains files that no import wrote, such as 'thesis\.tex'"):
        import_dataset("shop", orders, None, shop.parent, ImportOptions(overwrite=True))
    assert (shop / "thesis.tex").read_text() == "precious"


def test_a_k_core_is_kept_on_the_card_and_all_rows_in_the_files(tmp_path: Path, cache_dir: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("user,item,time\na,x,1\na,y,2\nb,x,1\nb,y,2\nc,x,9\n")
    imported = import_dataset("shop", path, None, tmp_path / "data", ImportOptions(k_core=2))
    assert (imported.domain.n_users, imported.domain.n_items) == (2, 2)
    assert "c" in (imported.folder / "interactions.csv").read_text()
    card = own_data_card("shop", imported.folder)
    assert card.k_core == 2
    assert card.description == "Your own data from orders.csv: 2 users, 2 items, 4 interactions."
    assert load_domain("shop", tmp_path / "data", cache_dir).content_hash == imported.domain.content_hash
    (imported.folder / "card.yaml").write_text(
        yaml.safe_dump({"name": "shop", "description": "all", "format": "csv", "licence": "mine"})
    )
    assert load_domain("shop", tmp_path / "data", cache_dir).n_users == 3


def test_a_name_with_a_card_takes_the_card_s_rules(orders: Path, data_dir: Path) -> None:
    with pytest.raises(BenchError, match="'beauty' has no interactions left"):
        import_dataset("beauty", orders, None, data_dir)
    with pytest.raises(BenchError, match=r"'beauty' is filtered as its card states \(k_core 5\)"):
        import_dataset("beauty", orders, None, data_dir, ImportOptions(k_core=2))


@pytest.mark.parametrize("name", ["../up", "Shop", "", "a b", ".hidden", "shop\n", "a" * 101])
def test_names_that_cannot_be_folders_are_refused(orders: Path, data_dir: Path, name: str) -> None:
    with pytest.raises(BenchError, match="is not a valid dataset name: use at most 100 lower-case letters"):
        import_dataset(name, orders, None, data_dir)


def test_a_cut_dataset_cannot_be_imported(orders: Path, data_dir: Path) -> None:
    with pytest.raises(BenchError, match="derived from 'ml-100k'"):
        import_dataset("ml-100k-drama", orders, None, data_dir)


def test_recbole_s_own_files_give_the_dataset_that_is_read_from_them(cache_dir: Path, tmp_path: Path) -> None:
    card = load_card("ml-100k")
    source = locate(card, None, cache_dir)
    assert source.items is not None
    imported = import_dataset("mine", source.interactions.path, source.items.path, tmp_path / "data")
    expected = read_source(card, source)
    assert imported.domain.content_hash == expected.content_hash
    assert imported.domain.categories == expected.categories
    assert "times: Unix seconds, 1997-09-20 to 1998-04-22 (column timestamp)" in imported.remarks
