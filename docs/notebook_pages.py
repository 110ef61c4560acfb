"""A notebook as a page: executed when the site is built, in empty folders of its own."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

PAGES = Path(__file__).parent / "pages"
LONGEST_SECONDS = 600
"""A cell, or the start of the kernel, that takes longer stops the build; a busy machine is slow."""


@cache
def notebook(name: str) -> str:
    """Return a notebook of the pages' folder as Markdown, with what its cells give now; a cell that fails raises."""
    content = nbformat.read(PAGES / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]  # it states no types
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            content,
            timeout=LONGEST_SECONDS,
            startup_timeout=LONGEST_SECONDS,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        client.execute(env=_environment(Path(folder)))
    return "\n\n".join(part for cell in content.cells for part in _parts(cell))


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing is stored yet and nothing outside the folder is written."""
    names = ("BENCH_CACHE", "BENCH_DATA", "BENCH_USER_DATA", "BENCH_RESULTS", "IPYTHONDIR")
    places = {name: folder / name.lower() for name in names}
    for place in places.values():
        place.mkdir()
    return {**os.environ, **{name: str(place) for name, place in places.items()}, "OMP_NUM_THREADS": "1"}


def _parts(cell: Any) -> Iterator[str]:
    """Yield a cell and its outputs as Markdown; progress on standard error is left out."""
    if cell.cell_type == "markdown":
        yield cell.source
        return
    yield f"```python\n{cell.source}\n```"
    for output in cell.outputs:
        if output.output_type == "stream":
            yield from [_text(output.text)] * (output.name == "stdout")
        else:
            yield _richest(output.data)


def _richest(data: Any) -> str:
    """Return a result as the richest of its forms: a picture, a table, or text."""
    if "image/png" in data:
        source = f"data:image/png;base64,{data['image/png'].strip()}"
        return f'<p><img class="figure" alt="Figure drawn by the code above" src="{source}"></p>'
    if "text/html" in data:
        return f'<div class="output">\n{data["text/html"]}\n</div>'
    return _text(data["text/plain"])


def _text(text: str) -> str:
    return f'<pre class="output">{html.escape(text.rstrip())}</pre>'
