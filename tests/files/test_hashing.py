from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.files.hashing import HASH_LENGTH, canonical_json, content_hash, derived_seed, file_sha256
from bench.spec import ProtocolSpec, RunSpec

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True)
class Point:
    x: int
    y: float


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), "e3b0c44298fc1c14"),
        (("text",), "4282587bfce4b847"),
        (([1, 2.5, None, True, "é"],), "94d6c2b144f4ed56"),
        (({"b": 1, "a": [2]},), "36524f2fe91e3644"),
        ((b"bytes",), "388c5568fafc5325"),
        ((np.arange(3, dtype=np.int64),), "eaf4c0b23e814bb4"),
        ((np.zeros((2, 2), np.float32),), "6c06145bca80413f"),
    ],
)
def test_known_values_keep_their_hash(parts: tuple[Any, ...], expected: str) -> None:
    assert content_hash(*parts) == expected


def test_known_specs_keep_their_id() -> None:
    protocol = ProtocolSpec("beauty", "cold", "natural", seed=4)
    options: dict[str, Any] = {"backbone": "minilm", "ranking": "generate", "limit_queries": 500}
    spec = RunSpec("weaverec", protocol, {"rank": 16}, seed=2, sources=("sports",), **options)
    assert RunSpec("bpr", ProtocolSpec("beauty")).hash() == "b69533b38eb73d81"
    assert spec.hash() == "066379ff3b285209"
    assert RunSpec("bpr", ProtocolSpec("beauty"), train_share=0.1).hash() == "6e9ebb2092b1dc95"
    few = [RunSpec("bpr", ProtocolSpec("beauty"), train_users=50, train_subset=subset).hash() for subset in (0, 1)]
    assert few == ["75109a68594c65fe", "cfabf14b326b382f"]
    assert RunSpec("bpr", ProtocolSpec("beauty"), full_ranking=True).hash() == "f8dc5ed73482f4af"


@pytest.mark.parametrize(
    ("seed", "purpose", "expected"),
    [
        (0, ("holdout", "beauty"), 3119136354142395086),
        (7, (), 3193050612831425908),
        (-1, ("x",), 191089527355378357),
    ],
)
def test_known_seeds_keep_their_value(seed: int, purpose: tuple[str, ...], expected: int) -> None:
    assert derived_seed(seed, *purpose) == expected


@given(JSON_VALUES)
def test_a_hash_is_sixteen_hex_digits(value: Any) -> None:
    assert re.fullmatch(f"[0-9a-f]{{{HASH_LENGTH}}}", content_hash(value))


@given(st.dictionaries(st.text(), JSON_VALUES, min_size=2))
def test_the_order_of_keys_does_not_matter(fields: dict[str, Any]) -> None:
    assert content_hash(fields) == content_hash(dict(reversed(fields.items())))


@given(JSON_VALUES, JSON_VALUES)
def test_different_values_have_different_hashes(one: Any, other: Any) -> None:
    assert (content_hash(one) == content_hash(other)) == (canonical_json(one) == canonical_json(other))


def test_arrays_differ_by_type_shape_and_content() -> None:
    numbers = np.arange(6, dtype=np.int64)
    variants = [
        numbers,
        numbers.astype(np.int32),
        numbers.astype(np.uint64),
        numbers.astype(np.float64),
        numbers.reshape(2, 3),
        numbers.reshape(3, 2),
        numbers[::-1],
        numbers[:5],
        numbers.astype(str),
        numbers > 2,
        numbers.tolist(),
    ]
    assert all(content_hash(one) != content_hash(other) for one, other in combinations(variants, 2))


def test_arrays_of_equal_content_agree_whatever_their_layout() -> None:
    numbers = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert content_hash(np.asfortranarray(numbers)) == content_hash(numbers)
    assert content_hash(numbers.astype(">i4")) == content_hash(numbers)
    assert content_hash(np.repeat(numbers, 2, axis=0)[::2]) == content_hash(numbers)


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(TypeError, match="no stable bytes"):
        content_hash(np.array(["text", None], dtype=object))


def test_dataclasses_numbers_of_numpy_sets_and_paths_are_plain_values() -> None:
    assert canonical_json(Point(1, 2.0)) == '{"x":1,"y":2.0}'
    assert content_hash(Point(1, 2.0)) == content_hash(dataclasses.asdict(Point(1, 2.0)))
    assert canonical_json([np.int64(3), np.float64(0.5), np.bool_(True)]) == "[3,0.5,true]"
    assert canonical_json({"names": {"b", "a"}}) == '{"names":["a","b"]}'
    assert canonical_json([Path("a") / "b"]) == '["a/b"]'


def test_what_is_no_value_is_refused() -> None:
    for value in (object(), Point, len):
        with pytest.raises(TypeError, match="cannot serialize"):
            content_hash([value])


def test_a_path_stands_for_the_content_of_its_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"same")
    other.write_bytes(b"same")
    assert content_hash(one) == content_hash(other)
    other.write_bytes(b"different")
    assert content_hash(one) != content_hash(other)
    assert file_sha256(one) == hashlib.sha256(b"same").hexdigest()


def test_parts_are_kept_apart() -> None:
    assert len({content_hash("ab"), content_hash("a", "b"), content_hash("b", "a"), content_hash(["a", "b"])}) == 4


def test_seeds_of_different_purposes_draw_independent_numbers() -> None:
    purposes = [("holdout",), ("candidates",), ("candidates", "test"), ("candidatestest",), ()]
    seeds = [derived_seed(seed, *purpose) for seed in range(40) for purpose in purposes]
    assert len(set(seeds)) == len(seeds)
    draws = np.array([np.random.default_rng(seed).random(200) for seed in seeds])
    correlations = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(200)
    assert abs(draws.mean() - 0.5) < 4 / np.sqrt(12 * draws.size)


@given(st.integers(-(2**63), 2**63), st.lists(st.text(), max_size=3))
def test_a_seed_fits_every_generator(seed: int, purpose: list[str]) -> None:
    assert 0 <= derived_seed(seed, *purpose) < 2**63
    assert derived_seed(seed, *purpose) == derived_seed(seed, *purpose)
