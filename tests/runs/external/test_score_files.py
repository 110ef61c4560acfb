from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.errors import BenchError
from bench.runs.external.score_files import read_scores

N_QUERIES, N_CANDIDATES = 4, 3
SCORES = np.array([[0.1, 0.2, 0.3], [1.0, -1.0, 0.0], [5.0, 6.0, 7.0], [0.5, 0.25, 0.125]])


def frame(**columns: Any) -> pd.DataFrame:
    scores = {f"score_{number}": SCORES[:, number - 1] for number in (1, 2, 3)}
    return pd.DataFrame({"query": range(N_QUERIES), **scores, **columns})


def write_csv(folder: Path, table: pd.DataFrame) -> Path:
    table.to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv"


def write_parquet(folder: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), folder / "scores.parquet")
    return folder / "scores.parquet"


def read(path: Path) -> Any:
    return read_scores(path, N_QUERIES, N_CANDIDATES)


def mistake(path: Path) -> str:
    with pytest.raises(BenchError) as caught:
        read(path)
    return str(caught.value)


def test_csv_rows_are_put_in_the_order_of_the_queries(tmp_path: Path) -> None:
    found = read(write_csv(tmp_path, frame().iloc[[2, 0, 3, 1]]))
    np.testing.assert_array_equal(found.scores, SCORES)
    assert found.candidates_hash is None


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 3)])
def test_parquet_may_have_a_list_per_query(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {"query": [3, 1, 0, 2], "scores": pa.array(SCORES[[3, 1, 0, 2]].tolist(), kind)}
    np.testing.assert_allclose(read(write_parquet(tmp_path, columns)).scores, SCORES, rtol=1e-7)


def test_parquet_may_have_a_column_per_candidate(tmp_path: Path) -> None:
    columns = {name: frame()[name].to_numpy() for name in frame()}
    np.testing.assert_array_equal(read(write_parquet(tmp_path, columns)).scores, SCORES)


def test_integers_are_numbers_and_an_empty_cell_is_nan(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("query,score_1,score_2,score_3\n0,1,2,3\n1,4,,6\n2,7,8,9\n3,inf,-inf,0\n")
    expected = np.array([[1, 2, 3], [4, np.nan, 6], [7, 8, 9], [np.inf, -np.inf, 0]])
    np.testing.assert_array_equal(read(path).scores, expected)


def test_the_hash_is_read_from_a_column_or_from_the_metadata(tmp_path: Path) -> None:
    digits = "6369360123682577"
    assert read(write_csv(tmp_path, frame(candidates_hash=digits))).candidates_hash == digits
    columns = {"query": range(4), "scores": SCORES.tolist()}
    assert read(write_parquet(tmp_path, columns, {"candidates_hash": "abc"})).candidates_hash == "abc"
    both = {**columns, "candidates_hash": ["abd"] * 4}
    assert "several candidates' hashes: abc, abd" in mistake(write_parquet(tmp_path, both, {"candidates_hash": "abc"}))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (frame().drop(columns="query"), "it has no column 'query' (columns: score_1, score_2, score_3)"),
        (frame().drop(columns="score_2"), "expected the columns query, score_1 to score_3; missing: score_2"),
        (frame(rank=1), "unknown: rank"),
        (frame(score_2="high"), "column 'score_2' contains string, expected numbers"),
        (frame().iloc[:2], "missing queries 2, 3; expected one row for each of 4"),
        (frame(query=[0, 1, 1, 3]), "repeated query 1"),
        (frame(query=[0, 1, 2, 4]), "unknown query 4; the task has queries 0 to 3"),
        (frame(query=[0, 1, 2, -1]), "unknown query -1"),
        (frame(query=[0.5, 1, 2, 3]), "column 'query' contains double"),
        (frame(query=["a", "b", "c", "d"]), "column 'query' contains string"),
        (frame().iloc[:0], "column 'query' contains null"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, table: pd.DataFrame, said: str) -> None:
    assert said in mistake(write_csv(tmp_path, table))


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([[1.0, 2.0]] * 4, "row 1 has 2 scores, expected 3"),
        ([[1.0, 2.0, 3.0]] * 3 + [None], "row 4 has 0 scores, expected 3"),
        ([["a", "b", "c"]] * 4, "column 'scores' contains string"),
        ([1.0] * 4, "column 'scores' contains double, expected lists of numbers"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path: Path, scores: list[Any], said: str) -> None:
    assert said in mistake(write_parquet(tmp_path, {"query": range(4), "scores": scores}))


def test_what_is_no_score_file_is_named(tmp_path: Path) -> None:
    assert "There is no file" in mistake(tmp_path / "scores.csv")
    assert "ends in .csv or .parquet" in mistake(tmp_path / "scores.pkl")
    (tmp_path / "scores.parquet").write_bytes(b"PAR1 and no more")
    assert "cannot be used as scores" in mistake(tmp_path / "scores.parquet")
    (tmp_path / "scores.csv").write_text("query,score_1\n0,1,2\n")
    assert "cannot be used as scores" in mistake(tmp_path / "scores.csv")
