"""Plain text made fit for LaTeX, and how wide it will be."""

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
    # after the end of a line of a table these two are an option of that end
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
"""Width of a capital, of a thin sign and of any other in the height of the letters (Computer Modern)."""
LAST_WITH_FONT = 0x17F
"""The last letter of Latin Extended-A: pdfLaTeX prints up to it without further packages."""
THIN_SIGNS = frozenset("il.,:;'|!()[]*-")


def escape(text: str) -> str:
    """Return text in which every sign that LaTeX would read as a command prints as itself.

    Line breaks are spaces, for an empty line would end a paragraph within an argument. A sign that no font of a plain
    document has, or that turns the direction of writing, is its code point.
    """
    text = " ".join(part.strip() for part in text.splitlines()) if len(text.splitlines()) > 1 else text
    signs = SPECIAL | {sign: rf"$\{name}$" for sign, name in GREEK.items()}
    # two hyphens, as before an option, would print as one dash
    return "-{}-".join("".join(signs.get(sign) or _printed(sign) for sign in part) for part in text.split("--"))


def _printed(sign: str) -> str:
    has_font = ord(sign) <= LAST_WITH_FONT and unicodedata.category(sign) not in ("Cc", "Cf")
    return sign if has_font else rf"\texttt{{U+{ord(sign):04X}}}"


def width_in_points(text: str, height: float) -> float:
    """Estimate the printed width of text in letters of this height, both in points."""
    return height * sum(
        WIDE if sign.isupper() or sign in "@%±m↗" else NARROW if sign in THIN_SIGNS else USUAL for sign in text
    )
