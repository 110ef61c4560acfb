"""Addresses of papers, from the arXiv number or DOI in a citation."""

from __future__ import annotations

import re
from urllib.parse import quote

_ARXIV = re.compile(r"\barXiv[ :](\d{4}\.\d{4,5})\b")
_DOI = re.compile(r"\bdoi[ :](10\.\d{4,9}/[^\s,;]+)")


def paper_link(citation: str) -> str:
    """Return the address of the paper; empty if the citation has neither an arXiv number nor a DOI."""
    arxiv, doi = _ARXIV.search(citation), _DOI.search(citation)
    if arxiv:
        return f"https://arxiv.org/abs/{arxiv[1]}"
    return f"https://doi.org/{quote(doi[1], safe='/.()-_')}" if doi else ""
