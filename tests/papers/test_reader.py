from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.papers.printed import published_tables
from bench.papers.reader import read_published

OWN = """\
source: {title: Own, address: nowhere, scale: percent, language_model: none}
datasets: {beauty: Beauty}
tables:
  table1:
    caption: Two datasets.
    sources: {beauty: [toys]}
    rows:
      - method: good
        values:
          Beauty: {"NDCG@1": 10.0}
          Toys: 20
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_as_it_should_be_is_read(tmp_path: Path) -> None:
    rows = read_published(written(tmp_path, OWN))["tables"]["table1"]["rows"]
    assert rows == [{"method": "good", "values": {"Beauty": {"NDCG@1": 10.0}, "Toys": 20}}]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("datasets:", "dataset:", r":2: unknown key 'dataset' in the file of published tables\. Did you mean datasets"),
        ("tables:\n", "figures:\n", r":1: key 'tables' is missing in the file of published tables"),
        ("scale: percent", "scale: percents", r":1: 'scale' .* expected fraction or percent\. Did you mean percent\?"),
        ("scale: percent, ", "", r":1: key 'scale' is missing in 'source'"),
        ("{beauty: Beauty}", "[Beauty]", r":2: 'datasets' .* expected a mapping from names to values"),
        ("caption:", "capton:", r":5: unknown key 'capton' in table 'table1'\. Did you mean caption\?"),
        ("[toys]", "toys", r":6: 'beauty' of 'sources' is 'toys', expected a list of names"),
        ("method: good", "methods: good", r":8: unknown key 'methods' in row 1\. Did you mean method\?"),
        ("10.0", "ten", r":10: 'NDCG@1' of 'Beauty' is 'ten', expected a number"),
        ("20", "[20]", r":11: 'Toys' of 'values' is \[20\], expected a number"),
        ("      - method: good", "      - good\n      - method: good", r":8: row 1 is str, expected a mapping with"),
        ("          Toys", "          Beauty", r":11: key 'Beauty' occurs twice"),
    ],
)
def test_a_mistake_names_the_line_and_the_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    written(tmp_path, OWN.replace(old, new, 1))
    with pytest.raises(BenchError, match=r"own\.yaml" + expected):
        published_tables("own", tmp_path)
