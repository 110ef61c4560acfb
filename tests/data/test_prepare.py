from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.data import load_domain
from bench.data import prepare as prepare_module
from bench.data.domain import Domain
from bench.data.prepare import checksum
from bench.errors import BenchError


def same(one: Domain, other: Domain) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("indptr", "items", "user_ids", "item_ids")]
    arrays = all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
    times = (one.timestamps is None and other.timestamps is None) or np.array_equal(
        one.timestamps,  # type: ignore[arg-type]
        other.timestamps,  # type: ignore[arg-type]
    )
    texts = all(getattr(one, name) == getattr(other, name) for name in ("name", "titles", "categories", "notes"))
    return arrays and times and texts


def test_own_data_without_a_card_is_loaded_unfiltered(shop: Path, cache_dir: Path) -> None:
    domain = load_domain("shop", shop.parent, cache_dir)
    assert domain.user_ids.tolist() == ["ann", "bob"]
    assert domain.item_ids.tolist() == ["cup", "pot", "tea"]
    assert [domain.item_ids[domain.history(user)].tolist() for user in (0, 1)] == [
        ["tea", "pot", "cup"],
        ["cup", "tea"],
    ]
    assert domain.titles == ("", "Pot, large", "Green tea")
    assert domain.categories == ("Kitchen", "Kitchen", "Drinks")
    assert domain.timestamps is not None
    assert domain.timestamps.tolist() == [100, 100, -1, 200, 300]
    assert domain.notes == ("1 of 3 items have no title.", "1 of 5 interactions have no timestamp.")


def test_a_second_load_reads_the_cache_and_is_identical(
    shop: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_domain("shop", shop.parent, cache_dir)
    monkeypatch.setattr(prepare_module, "read_source", lambda *_arguments: pytest.fail("the source was read again"))
    assert same(first, load_domain("shop", shop.parent, cache_dir))


def test_order_only_data_come_back_without_timestamps(data_dir: Path, cache_dir: Path) -> None:
    (data_dir / "plain").mkdir()
    (data_dir / "plain" / "interactions.csv").write_text("user_id,item_id,position\nann,tea,1\n")
    load_domain("plain", data_dir, cache_dir)
    again = load_domain("plain", data_dir, cache_dir)
    assert again.timestamps is None
    assert again.categories is None


def test_changed_source_files_are_prepared_again(shop: Path, cache_dir: Path) -> None:
    before = load_domain("shop", shop.parent, cache_dir)
    with (shop / "interactions.csv").open("a") as stream:
        stream.write("eve,tea,400,1\n")
    assert load_domain("shop", shop.parent, cache_dir).n_users == before.n_users + 1


def test_a_fault_leaves_nothing_half_written(shop: Path, cache_dir: Path) -> None:
    (shop / "interactions.csv").write_text("user_id,item_id\nann\n")
    with pytest.raises(BenchError, match="line 2"):
        load_domain("shop", shop.parent, cache_dir)
    assert [path for path in cache_dir.rglob("*") if path.is_file()] == []
    assert list((cache_dir / "domains").iterdir()) == []


def test_the_artifact_says_what_made_it(shop: Path, cache_dir: Path) -> None:
    load_domain("shop", shop.parent, cache_dir)
    (made,) = (json.loads(path.read_text()) for path in cache_dir.rglob("made.json"))
    assert made["card"]["name"] == "shop"
    assert [name for name, _ in made["files"]] == ["interactions.csv", "items.csv"]


def test_a_truncated_source_is_an_error(data_dir: Path, cache_dir: Path) -> None:
    (data_dir / "beauty").mkdir()
    whole = gzip.compress(b"user_id,item_id\n" + b"ann,tea\n" * 999)
    (data_dir / "beauty" / "interactions.csv.gz").write_bytes(whole[:-9])
    with pytest.raises(BenchError, match="is truncated"):
        load_domain("beauty", data_dir, cache_dir)


def test_an_unknown_name_is_an_error_with_or_without_a_data_folder(data_dir: Path, cache_dir: Path) -> None:
    for folder in (None, data_dir):
        with pytest.raises(BenchError, match="Unknown dataset 'beuty'"):
            load_domain("beuty", folder, cache_dir)


def test_a_file_that_differs_from_its_recorded_checksum_is_refused(shop: Path, cache_dir: Path) -> None:
    (shop / "interactions.csv.sha256").write_text("0" * 64 + "  interactions.csv\n")
    with pytest.raises(BenchError, match="expected 000000000000…"):
        load_domain("shop", shop.parent, cache_dir)


def test_checksums_of_large_files_are_remembered_until_they_change(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_module, "LARGE_FILE_BYTES", 1)
    path = tmp_path / "large"
    path.write_text("one")
    first = checksum(path, cache_dir)
    with monkeypatch.context() as patched:
        patched.setattr(prepare_module, "file_sha256", lambda _path: pytest.fail("hashed again"))
        assert checksum(path, cache_dir) == first
    path.write_text("other")
    assert checksum(path, cache_dir) != first


def test_generic_files_of_a_known_dataset_are_noted(data_dir: Path, cache_dir: Path) -> None:
    (data_dir / "ml-1m").mkdir()
    (data_dir / "ml-1m" / "interactions.csv").write_text("user_id,item_id,timestamp\n1,1,5\n")
    domain = load_domain("ml-1m", data_dir, cache_dir)
    assert "Read from interactions.csv, not from the official files." in domain.notes


def test_the_default_dataset_needs_no_network_and_no_folder(cache_dir: Path) -> None:
    domain = load_domain("ml-100k", None, cache_dir)
    assert (domain.n_users, domain.n_items, domain.n_interactions) == (943, 1682, 100_000)
    assert domain.titled
    assert "Toy Story (1995)" in domain.titles
    assert domain.timestamps is not None
    users = domain.users_of_interactions()
    assert not ((np.diff(domain.timestamps) < 0) & (np.diff(users) == 0)).any()


def test_cut_domains_share_users_but_no_items_and_leave_29_negatives_to_everyone(cache_dir: Path) -> None:
    names = [f"ml-100k-{cut}" for cut in ("drama", "comedy", "action", "thriller", "family")]
    domains = [load_domain(name, None, cache_dir) for name in names]
    items = [set(domain.item_ids.tolist()) for domain in domains]
    assert len(set().union(*items)) == sum(len(part) for part in items)
    assert set(domains[0].user_ids) & set(domains[1].user_ids)
    for domain in domains:
        longest = max(len(set(domain.history(user).tolist())) for user in range(domain.n_users))
        assert domain.n_items - longest >= 29
        assert np.diff(domain.indptr).min() >= 5
        assert domain.item_counts().min() >= 5


def test_loading_imports_neither_torch_nor_recbole_nor_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bench.data import load_domain;"
        f"load_domain('ml-100k', None, Path({str(tmp_path)!r}));"
        "print([name for name in ('torch', 'recbole', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
