from __future__ import annotations

from pathlib import Path

import pytest

from bench.data import load_domain
from bench.data.card import Expected, own_data_card
from bench.data.counts import count_and_keep, kept_statistics, statistics_file, stats_of, summary, verdict, verdicts
from bench.errors import BenchError


@pytest.mark.parametrize(
    ("actual", "expected", "text"),
    [
        (100, 100, "equal"),
        (90, 100, "differs by -10.0%"),
        (3706, 6883, "differs by -46.2%"),
        (198_503, 198_502, "differs by +0.0005%"),
    ],
)
def test_a_verdict_never_rounds_a_difference_away(actual: int, expected: int, text: str) -> None:
    assert verdict(actual, expected) == text


def test_counts_of_a_small_shop(shop: Path, cache_dir: Path) -> None:
    stats = stats_of(load_domain("shop", shop.parent, cache_dir))
    assert (stats.users, stats.items, stats.interactions, stats.untitled, stats.repeats) == (2, 3, 5, 1, 0)
    assert stats.density == pytest.approx(5 / 6)
    assert stats.mean_length == 2.5
    assert stats.untimed_share == pytest.approx(0.2)
    assert verdicts(stats, Expected("me", 2, 3, 4)) == {
        "users": "equal",
        "items": "equal",
        "interactions": "differs by +25.0%",
    }


def test_titles_shared_by_items_are_counted_normalized(data_dir: Path, cache_dir: Path) -> None:
    folder = data_dir / "twins"
    folder.mkdir()
    (folder / "interactions.csv").write_text("user_id,item_id\na,1\na,2\na,3\na,4\na,5\n")
    (folder / "items.csv").write_text("item_id,title\n1,Tea\n2,TEA\n3,Cup\n4,\n5,\n")
    domain = load_domain("twins", data_dir, cache_dir)
    stats = stats_of(domain)
    assert stats.shared_titles == 2
    assert stats.untimed_share == 1.0
    assert summary(domain, own_data_card("twins"))["expected"] == []


def test_counts_are_kept_in_the_results_and_nowhere_else(shop: Path, cache_dir: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    count_and_keep("shop", shop.parent, cache_dir, results, lambda _line: None)
    kept = kept_statistics("shop", results)
    assert kept is not None
    assert kept["users"] == 2
    for name in ("../shop", "/shop", "shop/"):
        with pytest.raises(BenchError, match="is not a valid dataset name"):
            statistics_file(name, results)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"users": "many", "items": 1, "interactions": 1}'])
def test_kept_counts_that_cannot_be_read_are_named(tmp_path: Path, content: str) -> None:
    path = statistics_file("shop", tmp_path)
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(BenchError, match=r"shop\.json cannot be read"):
        kept_statistics("shop", tmp_path)
