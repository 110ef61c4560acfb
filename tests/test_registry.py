from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import bench.registry
from bench.errors import BenchError
from bench.files.revisions import modules_behind
from bench.plugin import Entry, Recommender
from bench.registry import Registry, register, registry, scan_package, scan_source

SOURCE = """
@register("first", family="control", settings=("warm",), cold_rule="none")
class First: ...

@other("ignored")
@register("second", family="merging", needs_titles=True, needs_sources=True, paper="Somebody 2020")
class Second: ...

class Undecorated: ...

@register
def function(): ...
"""


class Stranger(Recommender):
    """A foreign recommender that was never registered."""

    def fit(self, task: Any) -> None: ...

    def score(self, queries: Any) -> Any: ...


@register("foreign", family="general")
class Foreign(Stranger):
    """A foreign recommender."""


class Heir(Foreign):
    """Inherits the entry of its base, but is not registered itself."""


class Point:
    """An entry point that loads what it is given, or fails as it is told."""

    def __init__(self, name: str, load: Callable[[], Any]) -> None:
        self.name = name
        self.load = load


def failing(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


@pytest.fixture
def with_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Registry]]:
    """Return the registry of an installation with these entry points."""

    def known(*points: Point) -> Registry:
        monkeypatch.setattr(bench.registry, "entry_points", lambda group: points if group == "bench.plugins" else ())
        registry.cache_clear()
        return registry()

    yield known
    registry.cache_clear()


def entries(*names: str, **facts: Any) -> dict[str, Entry]:
    return {name: Entry(name, "general", f"module:{name}", **facts) for name in names}


def test_decorators_are_read_from_the_text_of_a_file() -> None:
    first, second = scan_source(SOURCE, "bench.methods.example")
    assert first == Entry("first", "control", "bench.methods.example:First", settings=("warm",), cold_rule="none")
    assert (second.name, second.target) == ("second", "bench.methods.example:Second")
    assert (second.needs_titles, second.needs_sources, second.needs_backbone) == (True, True, False)
    assert second.paper == "Somebody 2020"


def test_what_is_read_from_the_text_is_what_the_decorator_says() -> None:
    for entry in (*scan_package("bench.baselines"), *scan_package("bench.methods")):
        assert bench.registry.load(entry.target).entry == entry  # type: ignore[attr-defined]


@pytest.mark.parametrize("entry", registry().entries.values(), ids=lambda entry: entry.name)
def test_a_method_names_the_extras_of_what_it_imports(entry: Entry) -> None:
    sources = [path.read_text(encoding="utf-8") for path in modules_behind(entry.target.partition(":")[0]).values()]
    imported = {name.partition(".")[0] for source in sources for name in imported_names(source)}
    assert ("torch" in imported) == bool({"lm", "recbole"} & set(entry.needed_extras))
    assert ("recbole" in imported) == ("recbole" in entry.needed_extras)
    assert ("faiss" in imported) == ("vqrec" in entry.needed_extras)
    assert "lm" in entry.needed_extras or not {"transformers", "peft"} & imported


def imported_names(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_the_rooms_hold_the_controls_and_the_named_methods() -> None:
    known = registry().entries
    assert {"random", "popularity", "constant", "oracle", "bpr", "sasrec", "recbole", "reccocktail"} <= set(known)
    assert known["oracle"].privileged
    assert [name for name, entry in known.items() if entry.privileged] == ["oracle"]


def test_a_room_that_does_not_exist_is_empty() -> None:
    assert scan_package("no_such_package") == []


def test_a_wrong_name_says_which_are_near() -> None:
    expected = r"Unknown method 'sasrek'. Did you mean sasrec or .*\? See 'bench list methods'."
    with pytest.raises(BenchError, match=expected):
        registry().entry("sasrek")


@pytest.mark.parametrize("name", ["", "random:x", "nothing:SASRec"])
def test_a_name_that_nobody_has_is_unknown(name: str) -> None:
    with pytest.raises(BenchError, match=f"Unknown method '{name}'"):
        registry().entry(name)


def test_a_wrapper_takes_the_class_behind_the_colon() -> None:
    assert registry().entry("recbole:SASRec").name == "recbole"
    assert registry().recommender("recbole:NARM").model_name == "NARM"  # type: ignore[attr-defined]


def test_a_wrapper_alone_asks_for_a_class() -> None:
    with pytest.raises(BenchError, match=r"needs a class name, such as 'recbole:SASRec'.*bench describe recbole"):
        registry().entry("recbole")


def test_a_wrapper_says_which_classes_are_near() -> None:
    with pytest.raises(BenchError, match=r"Did you mean .*SASRec"):
        registry().recommender("recbole:SASRek")


@pytest.fixture
def mine() -> Iterator[type[Recommender]]:
    """A class that this process alone knows, registered as ``mine``."""
    yield register("mine", family="general")(type("Mine", (Stranger,), {}))
    bench.registry.defined_here().pop("mine")


def test_a_class_that_was_registered_in_this_process_is_known_by_its_name(mine: type[Recommender]) -> None:
    assert registry().entry("mine") is mine.entry
    assert registry().recommender("mine") is mine
    assert "mine" not in registry().entries
    with pytest.raises(BenchError, match=r"Unknown method 'mien'. Did you mean mine"):
        registry().entry("mien")


def test_the_newest_class_of_a_name_counts_as_in_a_cell_that_is_run_again(mine: type[Recommender]) -> None:
    newer = register("mine", family="control")(type("Mine", (Stranger,), {}))
    assert registry().recommender("mine") is newer
    assert registry().entry("mine").family == "control"


def test_a_class_of_the_rooms_is_found_by_its_text_alone() -> None:
    registry().recommender("random")
    assert "random" not in bench.registry.defined_here()


def test_a_name_leads_to_its_class() -> None:
    assert registry().recommender("random").__name__ == "RandomScorer"


def test_two_methods_of_the_house_with_one_name_are_refused(
    with_plugins: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.registry, "PACKAGES", ("bench.baselines", "bench.baselines"))
    with pytest.raises(
        BenchError, match=r"Two methods are named '.*': bench\.baselines\..* and bench\.baselines\..*\."
    ):
        with_plugins()


def test_a_plugin_cannot_take_a_name_from_the_house_or_from_another(with_plugins: Callable[..., Registry]) -> None:
    twins = [type("Twin", (Stranger,), {"entry": Entry(name, "general", "elsewhere:Twin")}) for name in ("random", "b")]
    points = [Point("random", lambda: twins[0]), Point("first", lambda: twins[1]), Point("second", lambda: twins[1])]
    known = with_plugins(*points)
    assert known.broken == {
        "random": "the name is taken by bench.baselines.controls:RandomScorer",
        "second": "the name is taken by elsewhere:Twin",
    }
    assert known.recommender("random").__name__ == "RandomScorer"
    assert known.entries["b"].target == "elsewhere:Twin"


def test_what_a_plugin_prints_goes_to_standard_error(
    with_plugins: Callable[..., Registry], capsys: pytest.CaptureFixture[str]
) -> None:
    def load() -> type:
        print("hello")
        return Foreign

    with_plugins(Point("foreign", load))
    assert capsys.readouterr() == ("", "hello\n")


def test_a_plugin_of_another_package_is_listed_with_the_rest(with_plugins: Callable[..., Registry]) -> None:
    known = with_plugins(Point("foreign", lambda: Foreign))
    assert known.entry("foreign").target == f"{__name__}:Foreign"
    assert known.recommender("foreign") is Foreign
    assert not known.broken


@pytest.mark.parametrize(
    "error", [ImportError("no module named 'magic'"), RuntimeError("boom"), SyntaxError("bad"), SystemExit(1)]
)
def test_a_plugin_that_cannot_be_loaded_is_reported_and_breaks_nothing(
    with_plugins: Callable[..., Registry], error: BaseException
) -> None:
    known = with_plugins(Point("broken", failing(error)), Point("foreign", lambda: Foreign))
    assert known.broken == {"broken": f"{type(error).__name__}: {error}"}
    assert {"random", "foreign"} <= set(known.entries)
    assert known.recommender("random").__name__ == "RandomScorer"
    with pytest.raises(BenchError, match=r"Method 'broken' cannot be loaded: .*See 'bench list methods'"):
        known.entry("broken")


@pytest.mark.parametrize("recommender", [Stranger, Heir])
def test_a_plugin_without_the_decorator_of_its_own_is_reported(
    with_plugins: Callable[..., Registry], recommender: type
) -> None:
    known = with_plugins(Point("undecorated", lambda: recommender), Point("foreign", lambda: Foreign))
    assert "is not decorated with @register" in known.broken["undecorated"]


def test_only_a_control_may_be_handed_the_answers() -> None:
    assert Entry("oracle", "control", privileged=True).privileged
    with pytest.raises(ValueError, match="'cheat' is not a control"):
        register("cheat", family="general", privileged=True)(Stranger)
    with pytest.raises(ValueError, match="'cheat' is not a control"):
        scan_source('@register("cheat", family="merging", privileged=True)\nclass Cheat: ...', "bench.methods.cheat")


def test_near_names_of_a_registry_are_its_own() -> None:
    with pytest.raises(BenchError, match="Did you mean alpha"):
        Registry(entries("alpha", "omega"), {}).entry("alhpa")


def test_listing_the_methods_imports_no_torch() -> None:
    code = (
        "import json, sys, bench\n"
        "sys.argv = ['bench', 'list', 'methods', '--json']\n"
        "from bench.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as finished:\n    assert not finished.code\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "random" in {row["name"] for row in json.loads(done.stdout)}
    imported = set(json.loads(done.stderr))
    assert "bench.registry" in imported
    assert not imported & {"torch", "transformers", "recbole", "pandas", "scipy.stats"}


def test_the_plugin_contract_imports_no_torch_and_plans_no_adapters_by_default() -> None:
    code = "import sys, bench.plugin; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert registry().recommender("random")(None).adapters(None) == []  # type: ignore[arg-type]


def test_every_method_has_a_name_of_its_own_for_reports() -> None:
    names = [entry.displayed_name() for entry in registry().entries.values() if entry.target.startswith("bench.")]
    assert len(set(names)) == len(names)
    assert registry().entry("sasrec").displayed_name() == "SASRec"
    assert registry().entry("recbole:NeuMF").displayed_name("recbole:NeuMF") == "RecBole NeuMF"


def test_a_method_without_a_title_is_shown_by_its_name() -> None:
    (entry,) = scan_source('@register("mine", family="general")\nclass Mine: ...', "somewhere")
    assert entry.displayed_name() == "mine"
