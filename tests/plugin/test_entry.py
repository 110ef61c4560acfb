from __future__ import annotations

import sys

import pytest

from bench.errors import BenchError
from bench.plugin import Entry


def test_a_language_model_needs_its_extra_besides_what_is_stated() -> None:
    assert Entry("a", "control").needed_extras == ()
    assert Entry("a", "general", extras=("recbole",)).needed_extras == ("recbole",)
    assert Entry("a", "merging", runs_on="decoder").needed_extras == ("lm",)
    both = Entry("a", "transferable", runs_on="text-encoder", extras=("recbole", "lm"))
    assert both.needed_extras == ("lm", "recbole")


def test_the_error_of_a_missing_extra_names_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("mine", "transferable", runs_on="text-encoder", extras=("vqrec",))
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BenchError, match=r"Method 'mine' needs the extra 'vqrec' .*llmrec-bench\[vqrec\]"):
        entry.require_installed()


def test_an_extra_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'mine' names unknown extras: \['recbolt'\]; expected some of \['lm', "):
        Entry("mine", "general", extras=("recbolt",))
