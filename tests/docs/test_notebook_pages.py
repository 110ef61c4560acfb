"""The tutorial is a notebook without outputs; its page has those of running it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import notebook_pages
import pytest

TUTORIAL = nbformat.read(notebook_pages.PAGES / "tutorial.ipynb", as_version=4)


def test_the_notebook_is_kept_without_outputs() -> None:
    code = [cell for cell in TUTORIAL.cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    nbformat.validate(TUTORIAL)


def test_a_cell_is_shown_with_the_richest_form_of_its_results_and_without_progress() -> None:
    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="epoch 1\n"),
        nbformat.v4.new_output("stream", name="stdout", text="1 < 2\n"),
        nbformat.v4.new_output("execute_result", {"text/plain": "Table(…)", "text/html": "<table></table>"}),
        nbformat.v4.new_output("display_data", {"text/plain": "<Figure>", "image/png": "aGVsbG8=\n"}),
    ]
    code, told, table, figure = notebook_pages._parts(nbformat.v4.new_code_cell("show()", outputs=outputs))
    assert code == "```python\nshow()\n```"
    assert told == '<pre class="output">1 &lt; 2</pre>'
    assert table == '<div class="output">\n<table></table>\n</div>'
    assert 'src="data:image/png;base64,aGVsbG8="' in figure


def test_a_notebook_that_fails_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_pages, "PAGES", tmp_path)
    cells = [nbformat.v4.new_code_cell("import os; print(os.environ['BENCH_CACHE']); 1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "broken.ipynb")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        notebook_pages.notebook("broken")
