"""Escape plain text for LaTeX, and estimate its width."""

from __future__ import annotations

import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    # after the end of a table's line, LaTeX would read these two as its options
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
    '"': "''",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "↗": r"$\nearrow$",
    "∞": r"$\infty$",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
    "…": r"\ldots{}",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
}
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "η": "eta", "θ": "theta",
    "λ": "lambda", "μ": "mu", "ν": "nu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "varphi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Δ": "Delta", "Σ": "Sigma", "Ω": "Omega",
}  # fmt: skip
WIDE, NARROW, USUAL = 0.78, 0.30, 0.53
"""Width of a capital, a thin character and any other, relative to the height of the letters (Computer Modern)."""
LAST_WITH_FONT = 0x17F
"""The last letter of Latin Extended-A, up to which pdfLaTeX needs no further packages."""
THIN_SIGNS = frozenset("il.,:;'|!()[]*-")


def escape(text: str) -> str:
    """Escape all characters with a special meaning in LaTeX.

    Line breaks become spaces, because an empty line would end a paragraph within an argument. Characters that the fonts
    of a plain document lack, or that change the writing direction, are replaced by their code point.
    """
    text = " ".join(part.strip() for part in text.splitlines()) if len(text.splitlines()) > 1 else text
    signs = SPECIAL | {sign: rf"$\{name}$" for sign, name in GREEK.items()}
    # LaTeX would print two hyphens, as before an option, as one dash
    return "-{}-".join("".join(signs.get(sign) or _printed(sign) for sign in part) for part in text.split("--"))


def _printed(sign: str) -> str:
    has_font = ord(sign) <= LAST_WITH_FONT and unicodedata.category(sign) not in ("Cc", "Cf")
    return sign if has_font else rf"\texttt{{U+{ord(sign):04X}}}"


def width_in_points(text: str, height: float) -> float:
    """Estimate the printed width of text for a letter height, both in points."""
    return height * sum(
        WIDE if sign.isupper() or sign in "@%±m↗" else NARROW if sign in THIN_SIGNS else USUAL for sign in text
    )
