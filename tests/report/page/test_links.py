from __future__ import annotations

import pytest

from bench.papers.printed import published_address, published_papers
from bench.registry import registry
from bench.report.page.links import paper_link


@pytest.mark.parametrize(
    ("citation", "link"),
    [
        ("Kang & McAuley 2018, arXiv 1808.09781", "https://arxiv.org/abs/1808.09781"),
        ("Zhang et al. 2019, doi 10.24963/ijcai.2019/600", "https://doi.org/10.24963/ijcai.2019/600"),
        ("SIGIR '25, arXiv 2504.20859, ablation", "https://arxiv.org/abs/2504.20859"),
        (
            'doi 10.1145/1"><script>alert(1)</script>',
            "https://doi.org/10.1145/1%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        ),
        ("javascript:alert(1)", ""),
        ("Rendle et al. 2009", ""),
        ("", ""),
    ],
)
def test_a_citation_is_linked_by_its_number(citation: str, link: str) -> None:
    assert paper_link(citation) == link


def test_every_paper_with_published_tables_is_linked() -> None:
    assert all(
        paper_link(published_address(paper)).startswith("https://arxiv.org/abs/") for paper in published_papers()
    )


def test_most_methods_link_their_paper() -> None:
    cited = [entry for entry in registry().entries.values() if entry.paper and entry.target.startswith("bench.")]
    assert [entry.name for entry in cited if not paper_link(entry.paper)] == ["mcrpl"]
