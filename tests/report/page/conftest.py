from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.diagnose.repeated_answers import AskedAgain, keep
from bench.diagnose.stability import Stability
from bench.files.hashing import derived_seed
from bench.metrics import Ranks, Tops
from bench.plugin import FitReport, MergeReport
from bench.registry import registry
from bench.report.page.build import build_page
from bench.report.page.content import Page
from bench.report.page.render import render_page
from bench.report.page.user_analysis import QueryFacts, ShownLists
from bench.runs.record import RunRecord, summarize
from bench.runs.store import RunStore
from bench.spec import ProtocolSpec, RunSpec
from tests.support.browser import Browser, chromium_or_skip
from tests.support.fit_reports import LEARNED, MERGED

N_QUERIES = 40
HARMFUL_TITLE = '</script><script>window.harmed = true</script><img src="x" onerror="window.harmed = true">\'"'
HARMFUL = '<script>window.harmed = true</script ><!--<script ><img src="x" onerror="window.harmed = true">'


def save(
    store: RunStore, method: str, highest: int, dataset: str = "beauty", setting: Any = "warm", **fields: Any
) -> None:
    """Store a run of seeded ranks below ``highest``; ``fields`` are of the spec or of the record."""
    rng = np.random.default_rng(derived_seed(0, method, dataset, str(highest)))
    ranks = Ranks(rng.integers(0, highest, N_QUERIES).astype(np.int16), np.zeros(N_QUERIES, np.int16))
    of_spec = {name: fields.pop(name) for name in ("backbone", "sources") if name in fields}
    params = {"layers": 2, "dropout": 0.5, **fields.get("overrides", {})}
    spec = RunSpec(method, ProtocolSpec(dataset, setting), params, **of_spec)
    facts = {"family": "general", "bench_version": "0.1.0", "created": "2026-01-01T00:00:00+00:00", **fields}
    record = RunRecord(
        id=spec.hash(),
        spec=spec,
        metrics=summarize(ranks, ("ndcg@3",)),
        candidates_hash=f"hash-{dataset}-{setting}",
        n_queries=N_QUERIES,
        tie_rate=0.0,
        **facts,
    )
    tops = Tops(
        np.arange(N_QUERIES, dtype=np.int32) % 30, np.full(N_QUERIES, 6.0, np.float32), np.full(N_QUERIES, 2, np.int32)
    )
    store.save(record, np.arange(N_QUERIES), ranks, tops if method == "sasrec" else None)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Runs of five methods on three boards, one of them a toy and one with harmful texts."""
    store = RunStore(tmp_path_factory.mktemp("results"))
    costs = {"seconds": {"fit": 4.0, "score": 0.5}, "peak_memory_bytes": {"fit": 300 << 20, "score": 200 << 20}}
    for dataset in ("beauty", "toys"):
        save(store, "random", 30, dataset, family="control", seconds={"fit": 0.0, "score": 0.1})
        save(store, "sasrec", 6, dataset, family="sequential", fit=LEARNED, **costs)
        save(store, "bpr", 20, dataset, **costs)
    save(store, "bpr", 2, "toys", overrides={"layers": 9}, **costs)
    facts = {"family": "merging", "transductive": True, "fit": MERGED, "sources": ("clothing",), **costs}
    save(store, "reccocktail", 12, backbone="minilm", **facts)
    save(store, "reccocktail", 28, backbone="tiny", toy=True, overrides={"layers": 9}, **facts)
    merge = MergeReport({HARMFUL: 1.0})
    harmful = {"fit": FitReport(merge=merge, deviations=(HARMFUL,), extra={HARMFUL: HARMFUL})}
    texts = {"notes": [HARMFUL], "warnings": [HARMFUL], "device": HARMFUL, "overrides": {HARMFUL: HARMFUL}}
    save(store, f"evil {HARMFUL}", 20, setting="cold", family=HARMFUL, **harmful, **texts)
    save(store, "bpr", 21, setting="cold")
    asked = AskedAgain("candidate order", "ndcg@3", 20, Stability((0.5, 0.25), 0.125))
    keep(store.find("sasrec@beauty@warm"), asked, store)
    return store


def known_facts(_record: RunRecord) -> QueryFacts:
    """Two history lengths and two popularities."""
    return QueryFacts(
        np.arange(N_QUERIES) % 2 + 3, np.arange(N_QUERIES) // 20, "Interactions of the item", lists_of(N_QUERIES)
    )


def lists_of(n_queries: int, history: int = 2) -> ShownLists:
    """Query n has the history 60, 61 …, the candidates 0, 1 … 29 and the target n % 30; item 7 has a harmful title."""
    titles = [f"Item {item}" for item in range(100)]
    titles[7], titles[8], titles[60] = HARMFUL_TITLE, "", f"Bought {HARMFUL_TITLE}"
    return ShownLists(
        history_indptr=np.arange(n_queries + 1) * history,
        history_items=np.tile(np.arange(60, 60 + history, dtype=np.int32), n_queries),
        candidates=np.tile(np.arange(30, dtype=np.int32), (n_queries, 1)),
        positives=(np.arange(n_queries) % 30).astype(np.int32),
        titles=titles,
        item_ids=[f"id{item}" for item in range(100)],
    )


@pytest.fixture(scope="session")
def page(stored: RunStore) -> Page:
    return build_page(stored, registry(), known_facts)


@pytest.fixture(scope="session")
def report(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page in a file."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_page(page), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One headless Chromium for all tests; its profile is a folder of its own."""
    driver = chromium_or_skip(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any, report: Path) -> Iterator[Browser]:
    """The page as a reader has opened it from a file; whatever it does, it asks no network and logs no error."""
    browser = Browser(chromium, report.as_uri())
    browser.start()
    yield browser
    browser.forget()
    assert [entry["message"] for entry in chromium.get_log("browser")] == []
    asked = browser.requested()
    assert browser.address in asked
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}


@pytest.fixture
def downloads(browser: Browser, tmp_path: Path) -> Path:
    """The folder in which the browser saves files."""
    behavior = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.driver.execute_cdp_cmd("Page.setDownloadBehavior", behavior)
    return tmp_path
