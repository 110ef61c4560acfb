"""Compile LaTeX tables into one PDF, and report LaTeX's warnings.

See ``python -m bench.report.formats.latex_pdf --help`` for usage.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

PROGRAM = "pdflatex"
PACKAGES = ("booktabs", "multirow")
"""Packages that every table needs; a table names all that it needs in a comment."""
NEEDED = re.compile(r"^% needs \\usepackage\{(.+)\}$", re.MULTILINE)
PREAMBLE = r"""\documentclass[twocolumn]{article}
\usepackage[textwidth=506pt,textheight=690pt,columnsep=24pt]{geometry}
"""
OVERFULL_POINTS = 1.0
"""Lines that are too wide by at most this much are not visible."""
TIMES = 2
"""Number of LaTeX runs; the second resolves the labels of the first."""


@dataclass(frozen=True)
class Compiled:
    """A PDF and LaTeX's log."""

    pdf: Path
    log: str


def packages_of(tables: Sequence[str]) -> list[str]:
    """Return the packages that these tables need."""
    named = (name for table in tables for words in NEEDED.findall(table) for name in words.split(","))
    return list(dict.fromkeys([*PACKAGES, *named]))


def document(tables: Sequence[str]) -> str:
    """Return a two-column document with one page per table, and a reference to each label."""
    packages = "".join(rf"\usepackage{{{package}}}" + "\n" for package in packages_of(tables))
    labels = [label for table in tables for label in re.findall(r"\\label\{(.+?)\}", table)]
    references = "Tables " + ", ".join(rf"\ref{{{label}}}" for label in labels) + ".\n" if labels else ""
    pages = "\n\\clearpage\n".join(tables)
    return f"{PREAMBLE}{packages}\\begin{{document}}\n{references}{pages}\n\\end{{document}}\n"


def compile_pdf(source: str, folder: Path) -> Compiled:
    """Run LaTeX in an existing directory; raise BenchError with LaTeX's first error if it fails."""
    path = folder / "tables.tex"
    path.write_text(source, encoding="utf-8")
    command = [PROGRAM, "-interaction=nonstopmode", "-halt-on-error", path.name]
    for _ in range(TIMES):
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        except FileNotFoundError:
            raise BenchError(_absent()) from None
        if done.returncode:
            raise BenchError(f"LaTeX failed: {_first_error(done.stdout.decode('utf-8', 'replace'))}")
    return Compiled(path.with_suffix(".pdf"), path.with_suffix(".log").read_text(encoding="utf-8", errors="replace"))


def complaints(log: str) -> list[str]:
    """Return the log's lines on visible problems in the PDF: too wide, too tall, undefined or missing."""
    too_wide = [
        line
        for line in log.splitlines()
        if (found := re.match(r"Overfull \\hbox \((.+?)pt too wide\)", line)) and float(found[1]) > OVERFULL_POINTS
    ]
    words = ("undefined", "multiply defined", "Float too large", "Missing character")
    return too_wide + [line for line in log.splitlines() if any(word in line for word in words)]


def why_not(packages: Sequence[str] = PACKAGES) -> str | None:
    """Return why LaTeX cannot be run here with these packages; None if it can."""
    if shutil.which(PROGRAM) is None:
        return _absent()
    styles = [f"{package}.sty" for package in packages]
    found = subprocess.run(["kpsewhich", *styles], capture_output=True, text=True, check=False).stdout
    absent = [style for style in styles if style not in found]
    return f"LaTeX has no {' and no '.join(absent)}" if absent else None


def main(words: Sequence[str] | None = None) -> None:
    """Write one PDF with the given tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.report.formats.latex_pdf", description=main.__doc__)
    parser.add_argument("pdf", type=Path, help="the PDF to write")
    parser.add_argument("tables", type=Path, nargs="+", help="tables as 'bench table NAME --format latex' gives them")
    given = parser.parse_args(words)
    tables = [path.read_text(encoding="utf-8") for path in given.tables]
    reason = why_not(packages_of(tables))
    if reason is not None:
        raise SystemExit(f"{reason}. See the target tables-pdf in the Makefile.")
    with tempfile.TemporaryDirectory() as folder:
        made = compile_pdf(document(tables), Path(folder))
        given.pdf.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made.pdf, given.pdf)
    for line in complaints(made.log):
        print(f"LaTeX: {line}")  # noqa: T201
    print(f"Wrote {given.pdf}.")  # noqa: T201


def _absent() -> str:
    return (
        f"{PROGRAM} is not installed (Debian: texlive-latex-recommended, texlive-latex-extra for multirow, and "
        "texlive-science for siunitx)"
    )


def _first_error(output: str) -> str:
    return next((line for line in output.splitlines() if line.startswith("!")), "without saying why")


if __name__ == "__main__":
    main()
