from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli.options import run_request_options
from bench.cli.plan import plan
from bench.cli.run import run
from bench.errors import BenchError
from bench.plugin import Entry
from bench.registry import Registry, register, registry
from bench.runs.complete import complete
from bench.runs.request import PARAMS, RequestOption, RunRequest, request_options, run_options
from bench.spec import ProtocolSpec, RunOptions, RunSpec, spec_from_json, spec_to_json
from tests.support.fake_methods import Zeros

NAMES = [one.name for one in request_options()]
CHANGED: dict[str, Any] = {
    "policy": "natural",
    "protocol_seed": 1,
    "backbone": "tiny",
    "sources": ("b", "a"),
    "ranking": "generate",
    "engine": "vllm",
    "seed": 3,
    "train_share": 0.25,
    "train_users": 1200,
    "train_subset": 2,
    "n_negatives": 99,
    "limit_validation": 1000,
    "limit_queries": 500,
    "full_ranking": True,
}
"""Another value than the default of each option; a new option needs one here."""
WORDS = {
    "policy": "natural",
    "protocol_seed": "split seed 1",
    "backbone": "tiny",
    "sources": "from b+a",
    "ranking": "generate",
    "engine": "vllm",
    "seed": "seed 3",
    "train_share": "25% of the training data",
    "train_users": "1,200 training users",
    "train_subset": "subset 2",
    "n_negatives": "99 negatives",
    "limit_validation": "1,000 validation queries",
    "limit_queries": "500 queries",
    "full_ranking": "full catalogue",
}
"""How reports say these values."""


@click.command()
@run_request_options()
def asked(request: RunRequest) -> RunRequest:
    return request


def parsed(command: str) -> RunRequest:
    """Return what ``bench run`` makes of a command."""
    words = shlex.split(command)
    assert words[:2] == ["bench", "run"]
    request = asked.main(words[2:], standalone_mode=False)
    assert isinstance(request, RunRequest)
    return request


def strategy_of(one: RequestOption) -> st.SearchStrategy[Any]:
    name = st.text("abcxyz019-_:./ '$é", min_size=1, max_size=8).map(str.strip).filter(lambda text: text)
    if one.choices:
        return st.sampled_from([*one.choices, one.default])
    if one.name == PARAMS:
        return st.dictionaries(name.filter(lambda text: "=" not in text), name, max_size=3)
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        str: name if one.is_required else st.none() | name,
        bool: st.booleans(),
        float: st.floats(0, 1, exclude_min=True),
        int: st.integers(1, int(one.facts.get("maximum") or 10**6)) | st.just(one.default),
    }
    return kinds[one.kind] if one.kind in kinds else st.lists(name, unique=True, max_size=3).map(tuple)


REQUESTS = st.fixed_dictionaries({one.name: strategy_of(one) for one in request_options()}).map(
    lambda fields: RunRequest(**fields)
)


@given(REQUESTS)
def test_the_command_of_a_request_is_read_as_the_same_request(request: RunRequest) -> None:
    changes = {one.name: one.value_in(request) for one in request_options()}
    if request.setting != "cold":
        changes["policy"] = "holdout"
    assert parsed(request.command()) == dataclasses.replace(request, **changes)


def test_each_field_has_a_help_text_and_an_option_of_both_commands() -> None:
    assert sorted(NAMES) == sorted(item.name for item in dataclasses.fields(RunRequest))
    for command in (run, plan):
        options = {one.name: one for one in command.params if isinstance(one, click.Option)}
        assert options.keys() >= set(NAMES)
        for one in request_options():
            assert one.help.endswith(".")
            assert one.flag in options[one.name].opts
            assert one.help.lower() in (options[one.name].help or "").lower()


def test_a_renamed_option_still_has_its_earlier_name_which_the_help_does_not_show() -> None:
    renamed = {one.name: one.aliases for one in request_options() if one.aliases}
    assert renamed["train_share"] == ("--train-share",)
    assert renamed["method"] == ("--model",)
    shown = run.get_help(click.Context(run))
    for option in request_options():
        for alias in option.aliases:
            assert f"{alias} " not in shown
            request = dataclasses.replace(
                RunRequest("bpr", "beauty", "cold"), **{option.name: CHANGED.get(option.name, "x")}
            )
            assert parsed(request.command().replace(f"{option.flag} ", f"{alias} ")) == request


def test_sources_may_be_repeated_or_joined_by_commas() -> None:
    start = "bench run --method weaverec --dataset beauty"
    assert parsed(f"{start} --source-datasets b --source-datasets a,c").sources == ("b", "a", "c")


def test_every_option_of_a_run_is_in_a_spec_and_has_words() -> None:
    assert [one.name for one in run_options()] == [item.name for item in dataclasses.fields(RunOptions)]
    assert CHANGED.keys() == WORDS.keys() == {one.name for one in request_options() if one.facts}


@pytest.mark.parametrize("name", CHANGED)
def test_an_option_reaches_command_words_spec_id_and_json(name: str) -> None:
    plain = RunRequest("bpr", "beauty", "cold")
    changed = dataclasses.replace(plain, **{name: CHANGED[name]})
    assert parsed(changed.command()) == changed
    (option,) = [one for one in request_options() if one.name == name]
    assert changed.command().startswith(f"{plain.command()} {option.flag}")
    assert (plain.words(), changed.words()) == ([], [WORDS[name]])
    needed = {"train_users": 9} if name == "train_subset" else {}
    specs = [RunSpec("bpr", one.protocol, **{**one.options(), **needed}) for one in (plain, changed)]
    assert specs[0].hash() != specs[1].hash()
    assert spec_to_json(specs[1])[name] == json.loads(json.dumps(CHANGED[name]))
    for spec in specs:
        assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec
    assert RunRequest.of(specs[1], {}) == dataclasses.replace(changed, **needed)


def test_what_a_report_says_of_all_options_is_in_a_fixed_order() -> None:
    everything = RunRequest("bpr", "beauty", "cold", params={"rank": 4, "depth": 2}, **CHANGED)
    of_row = "depth=2, rank=4, tiny, from b+a, generate, vllm, 25% of the training data, 1,200 training users"
    assert ", ".join(everything.words(of_row=True)) == f"{of_row}, 1,000 validation queries"
    circumstances = "natural, split seed 1, 99 negatives, seed 3, subset 2, 500 queries, full catalogue"
    assert ", ".join(everything.words()) == f"{of_row}, 1,000 validation queries, {circumstances}"


def test_what_says_nothing_is_left_out() -> None:
    request = RunRequest("bpr", "beauty", policy="natural", ranking="likelihood")
    assert request.words() == []
    assert request.command() == "bench run --method bpr --dataset beauty --setting warm"
    everything = RunRequest("bpr", "beauty", "cold", **CHANGED)
    used = everything.used_by(Entry("bpr", "general"))
    assert (used.backbone, used.sources, used.ranking, used.seed) == (None, (), None, 3)
    assert everything.used_by(Entry("lora", "merging", needs_sources=True, runs_on="decoder")) == everything


def test_parameters_survive_a_command() -> None:
    params = {"epochs": 3, "learning_rate": 0.5, "loss": "bpr"}
    request = RunRequest("bpr", "beauty", params=params)
    given_as = parsed(request.command())
    assert given_as.params == {"epochs": "3", "learning_rate": "0.5", "loss": "bpr"}
    wrapped = RunRequest("recbole:NeuMF", "beauty", params={"mf_pretrain_path": None, "mlp_hidden_size": [8, 4]})
    assert complete(parsed(wrapped.command())) == complete(wrapped)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"setting": "cld"}, "--setting must be warm or cold or user-split, not 'cld'. Did you mean cold?"),
        ({"limit_queries": 0}, "--limit must be at least 1, not 0."),
        ({"train_users": 9, "train_subset": -1}, "--subset-index must be at least 0, not -1."),
        ({"train_share": 1.5}, "--train-fraction must be above 0 and at most 1, not 1.5."),
    ],
)
def test_a_value_that_the_command_line_refuses_is_refused_from_python(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError) as error:
        complete(RunRequest("bpr", "beauty", **fields))
    assert str(error.value) == message


@pytest.mark.parametrize("fields", [{"dataset": "./beauty"}, {"dataset": "toys", "sources": ("beauty/", "pet")}])
def test_a_path_is_refused_as_a_dataset(fields: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match=r"is not a valid dataset name: .* Did you mean beauty\?"):
        complete(RunRequest("reccocktail", **fields))


def test_the_help_of_a_run_loads_no_library_of_numbers() -> None:
    code = "import sys, bench.cli.run, bench.cli.plan; print({'numpy', 'torch', 'pandas'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output == "set()\n"


@dataclass(frozen=True)
class OfToday:
    layers: int = 2


@dataclass(frozen=True)
class OfTomorrow(OfToday):
    warm_up: float = field(default=0.0, metadata={"neutral": True})
    sizes: tuple = field(default=(), metadata={"neutral": True})  # type: ignore[type-arg]


@register("growing", family="general")
class Growing(Zeros):
    """Gets parameters as time goes by."""

    Params = OfToday


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Registry({**registry().entries, "growing": Growing.entry}, {})  # type: ignore[attr-defined]
    monkeypatch.setattr("bench.runs.complete.registry", lambda: known)
    monkeypatch.setattr("bench.registry.load", lambda _target: Growing)


@pytest.mark.usefixtures("growing")
def test_a_new_neutral_parameter_changes_the_id_only_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = complete(RunRequest("growing", "beauty"))
    monkeypatch.setattr(Growing, "Params", OfTomorrow)
    assert complete(RunRequest("growing", "beauty")) == before
    assert complete(RunRequest("growing", "beauty", params={"warm_up": "0", "sizes": "[]"})).hash() == before.hash()
    changed = complete(RunRequest("growing", "beauty", params={"warm_up": 0.1}))
    assert (changed.params, changed.hash() == before.hash()) == ({"layers": 2, "warm_up": 0.1}, False)
    assert complete(RunRequest("growing", "beauty", params=changed.params)) == changed


def test_an_option_is_left_out_of_an_id_only_if_it_is_declared_neutral() -> None:
    key = RunSpec("bpr", ProtocolSpec("beauty")).key()
    neutral = {item.name for item in dataclasses.fields(RunOptions) if item.metadata["neutral"]}
    assert {"backbone", "sources", "ranking", "seed", "limit_queries"} <= key.keys()
    assert not (neutral | {"train_subset"}) & key.keys()
    assert RunSpec("bpr", ProtocolSpec("beauty"), train_users=5).key() == {**key, "train_users": 5, "train_subset": 0}


def test_the_usual_number_of_negatives_leaves_ids_and_commands_as_they_were() -> None:
    request = RunRequest("popularity", "ml-100k-drama")
    assert request == RunRequest("popularity", "ml-100k-drama", n_negatives=29)
    assert request.protocol.key() == {"dataset": "ml-100k-drama", "setting": "warm", "seed": 0, "n_negatives": 29}
    assert "negatives" not in request.command()
