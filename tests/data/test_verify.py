from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.data import load_domain
from bench.data.card import own_data_card
from bench.data.verify import Check, consistency_checks, verify_dataset
from bench.files.hashing import file_sha256


def failed(checks: list[Check]) -> list[str]:
    return [check.text for check in checks if not check.passed]


def test_sound_data_pass_and_say_what_was_verified(shop: Path, cache_dir: Path) -> None:
    checks = verify_dataset("shop", shop.parent, cache_dir)
    assert failed(checks) == []
    text = "\n".join(check.text for check in checks)
    assert f"interactions.csv has SHA-256 {file_sha256(shop / 'interactions.csv')}; none is recorded" in text
    assert "match the source read again" in text
    assert "2 user ids and 3 item ids are distinct" in text


def test_a_list_of_checksums_in_the_data_folder_is_compared(shop: Path, cache_dir: Path) -> None:
    good = file_sha256(shop / "items.csv")
    (shop.parent / "SHA256SUMS").write_text(f"{'0' * 64}  shop/interactions.csv\n{good}  shop/items.csv\n")
    checks = verify_dataset("shop", shop.parent, cache_dir)
    assert len(failed(checks)) == 1
    assert failed(checks)[0].startswith("interactions.csv has SHA-256")
    assert any(check.text == f"items.csv has SHA-256 {good}, as recorded" for check in checks)
    assert not any("prepared data" in check.text for check in checks)


def test_cut_domains_are_checked_against_each_other(cache_dir: Path) -> None:
    checks = verify_dataset("ml-100k-thriller", None, cache_dir)
    assert failed(checks) == []
    assert checks[-1].text.startswith("0 items are shared with ml-100k-action")


def test_inconsistent_domains_fail(shop: Path, cache_dir: Path) -> None:
    domain, card = load_domain("shop", shop.parent, cache_dir), own_data_card("shop")
    backwards = replace(domain, timestamps=np.array([9, 8, -1, 7, 6]))
    assert failed(consistency_checks(backwards, card)) == [
        "2 events are earlier in time than the event before them in the history"
    ]
    too_few = replace(card, k_core=3)
    assert failed(consistency_checks(domain, too_few)) == [
        "every user has 2 or more events, every item 1; expected at least 3"
    ]
    doubled = replace(domain, user_ids=np.array(["ann", "ann"]))
    assert len(failed(consistency_checks(doubled, card))) == 1


def test_histories_that_give_their_answer_away_are_counted(shop: Path, cache_dir: Path) -> None:
    domain = load_domain("shop", shop.parent, cache_dir)
    repeated = replace(domain, items=np.array([0, 1, 0, 1, 2], dtype=np.int32))
    texts = [check.text for check in consistency_checks(repeated, own_data_card("shop"))]
    assert any(text.startswith("1 users interacted with their last item before") for text in texts)
