from __future__ import annotations

import pytest

from bench.report.page.query_facts import without_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "The folder /home/ada/data does not exist",
            "The folder …/data does not exist",
        ),
        ("Candidate file '/home/ada/.cache/bench/x/y.parquet' is damaged.", "Candidate file '…/y.parquet' is damaged."),
        ("See ~/data/shop/items.csv:3", "See …/items.csv:3"),
        ("accuracy and/or recall, 3/4, ndcg@3", "accuracy and/or recall, 3/4, ndcg@3"),
    ],
)
def test_a_page_names_files_without_the_folders_of_its_maker(text: str, shown: str) -> None:
    assert without_paths(text) == shown
