"""Keep the last loaded model between runs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Thing = TypeVar("Thing")


class LastLoaded:
    """Keeps the last loaded object of each kind for the next caller that needs it.

    Only one object per kind is kept, because a language model may fill the device. Callers must not modify it.
    """

    def __init__(self) -> None:
        self._things: dict[str, tuple[Hashable, Any]] = {}

    def get(self, kind: str, key: Hashable, load: Callable[[], Thing]) -> Thing:
        """Return the object with this kind and key; if it is not the last one, drop that and call ``load``."""
        if kind not in self._things or self._things[kind][0] != key:
            self._things.pop(kind, None)  # before the next one is loaded
            self._things[kind] = key, load()
        thing: Thing = self._things[kind][1]
        return thing

    def close(self) -> None:
        """Drop all objects."""
        self._things.clear()

    def __enter__(self) -> LastLoaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
