"""What is slow to load, kept from one run of a set to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Thing = TypeVar("Thing")


class LastLoaded:
    """The last thing loaded of each kind, for whoever asks for the same one next.

    One of a kind at a time: a language model may fill a device. Whoever uses it leaves it as it was found.
    """

    def __init__(self) -> None:
        self._things: dict[str, tuple[Hashable, Any]] = {}

    def get(self, kind: str, key: Hashable, load: Callable[[], Thing]) -> Thing:
        """Return the thing of this kind and key; where another is held, let that go and ``load`` this one."""
        if kind not in self._things or self._things[kind][0] != key:
            self._things.pop(kind, None)  # before the next one is there
            self._things[kind] = key, load()
        thing: Thing = self._things[kind][1]
        return thing

    def close(self) -> None:
        """Let go of everything."""
        self._things.clear()

    def __enter__(self) -> LastLoaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
