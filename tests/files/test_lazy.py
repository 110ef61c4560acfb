"""Names of a package are loaded when they are first used, and no others with them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

INIT = '''
"""A shop."""
from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from shop.prices import PRICE, price_of
    from shop.stock import Stock
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["PRICE", "Stock", "price_of"]
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "shop").mkdir()
    for name, text in {
        "__init__": INIT,
        "prices": "PRICE = 3\nprice_of = len",
        "stock": "class Stock: ...",
        "till": "",
    }.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shop")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def test_a_name_is_that_of_its_module_and_loads_no_other(shop: ModuleType) -> None:
    assert "shop.prices" not in sys.modules
    assert shop.PRICE == 3
    assert shop.price_of is sys.modules["shop.prices"].price_of
    assert "shop.stock" not in sys.modules


def test_every_name_can_be_imported_and_listed(shop: ModuleType) -> None:
    names: dict[str, object] = {}
    exec("from shop import *", names)  # noqa: S102  # a star may stand nowhere else
    assert {"PRICE", "Stock", "price_of"} < set(names)
    assert {"PRICE", "Stock", "price_of", "__doc__"} < set(dir(shop))


@pytest.mark.parametrize("name", ["lazily", "TYPE_CHECKER", "till", "__wrapped__"])
def test_what_is_not_offered_is_no_attribute(shop: ModuleType, name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'shop' has no attribute '{name}'"):
        getattr(shop, name)


def test_a_module_can_be_imported_from_its_package(shop: ModuleType) -> None:
    from shop import till  # type: ignore[import-not-found]

    assert till is sys.modules["shop.till"]
