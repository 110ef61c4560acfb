from __future__ import annotations

import gc
import weakref

import pytest

from bench.plugin import LastLoaded


class Thing:
    """Something that can be watched going away."""


def test_the_same_thing_is_loaded_once() -> None:
    held = LastLoaded()
    first = held.get("model", "a", Thing)
    assert held.get("model", "a", lambda: pytest.fail("loaded again")) is first


def test_another_thing_of_the_kind_takes_its_place_and_the_first_is_gone_before_it_is_loaded() -> None:
    held = LastLoaded()
    watched = weakref.ref(held.get("model", "a", Thing))

    def load() -> Thing:
        gc.collect()
        assert watched() is None
        return Thing()

    second = held.get("model", "b", load)
    assert held.get("model", "b", Thing) is second
    assert held.get("model", "a", Thing) is not second


def test_kinds_are_held_side_by_side() -> None:
    held = LastLoaded()
    model, backbone = held.get("model", 1, Thing), held.get("backbone", 1, Thing)
    assert held.get("model", 1, Thing) is model is not backbone


def test_nothing_is_held_of_what_failed_to_load_or_after_closing() -> None:
    with LastLoaded() as held:
        with pytest.raises(ZeroDivisionError):
            held.get("model", "a", lambda: 1 // 0)
        thing = held.get("model", "a", Thing)
    assert held.get("model", "a", Thing) is not thing
