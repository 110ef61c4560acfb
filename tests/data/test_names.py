from __future__ import annotations

import pytest

from bench.data.names import check_name, checked_name
from bench.errors import BenchError


@pytest.mark.parametrize("name", ["a", "0", "ml-100k", "my_shop.v2", "x" * 100])
def test_plain_words_are_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("./shop", " Did you mean shop?"),
        ("shop/", " Did you mean shop?"),
        ("../outside/shop", " Did you mean shop?"),
        ("/abs/Shop", " Did you mean shop?"),
        ("..", ""),
        ("", ""),
        (".shop", ""),
        ("shop\ntouch x\n#", ""),
        ("shop\n", ""),
        ("x" * 101, ""),
        ("caf\u00e9", ""),
    ],
)
def test_paths_and_other_texts_are_refused_in_one_line_with_the_near_name(name: str, near: str) -> None:
    with pytest.raises(BenchError, match="is not a valid dataset name") as caught:
        check_name(name)
    assert str(caught.value).partition("first.")[2] == near
    assert "\n" not in str(caught.value)


def test_the_name_of_an_existing_dataset_may_be_written_in_any_case() -> None:
    assert checked_name("ML-100k-Drama") == "ml-100k-drama"
    with pytest.raises(BenchError, match="is not a valid dataset name"):
        checked_name("../Shop")
