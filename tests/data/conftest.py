from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

INTERACTIONS = """user_id,item_id,timestamp,position
bob,tea,300,2
ann,tea,100,1
bob,cup,200,1
ann,pot,100,2
ann,cup,,3
"""
ITEMS = """item_id,title,categories
tea,Green  tea,Drinks
pot,"Pot, large",Kitchen
cup,,Kitchen
jug,Never touched,Kitchen
"""


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def shop(data_dir: Path) -> Path:
    """A user's own dataset without a card."""
    folder = data_dir / "shop"
    folder.mkdir()
    (folder / "interactions.csv").write_text(INTERACTIONS, encoding="utf-8")
    (folder / "items.csv").write_text(ITEMS, encoding="utf-8")
    return folder


@pytest.fixture
def gzipped(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode("utf-8")))
        return path

    return write
