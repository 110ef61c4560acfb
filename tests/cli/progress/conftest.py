"""Fixtures of the tests of displays."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_lines_for_slowness() -> None:
    """Commands do report that they still work: these tests are about it."""
