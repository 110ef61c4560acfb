"""Check that a YAML file is reasonable: no alias bombs, no deep nesting, no control characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import yaml

DEEPEST = 50
"""Maximum depth of nested mappings and lists."""
_OPENS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSES = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


def check_structure(events: Iterable[yaml.Event]) -> None:
    """Check a document's events before anything is built from them.

    Raises:
        yaml.MarkedYAMLError: the document is nested too deeply, or contains an alias within an anchored value, with
            which a few lines can expand to any number of values, or a text contains a control character other than a
            line break or a tab.
    """
    is_anchored: list[bool] = []
    for event in events:
        if isinstance(event, _OPENS):
            is_anchored.append(event.anchor is not None)
            if len(is_anchored) > DEEPEST:
                raise _wrong(event, f"more than {DEEPEST} nested levels")
        elif isinstance(event, _CLOSES):
            is_anchored.pop()
        elif isinstance(event, yaml.AliasEvent) and any(is_anchored):
            raise _wrong(event, f"the alias '*{event.anchor}' is inside a value that has an anchor")
        elif isinstance(event, yaml.ScalarEvent) and not all(map(_is_text, event.value)):
            raise _wrong(event, "a text has a control character")


def key_given_twice(root: yaml.Node) -> yaml.Node | None:
    """Return the node of the first key that a mapping contains twice; None if there is none."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias: the same node occurs in several places
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            names = set[str]()
            for name, value in node.value:
                if str(name.value) in names:
                    return name  # type: ignore[no-any-return]
                names.add(str(name.value))
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return None


def is_one_line(text: str) -> bool:
    """Return whether a text has no line break and no other control character."""
    return not any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in text)


def _is_text(sign: str) -> bool:
    return sign in "\n\t" or unicodedata.category(sign) != "Cc"


def _wrong(event: yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    mark: Any = event.start_mark  # libyaml's has a separate class
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
