"""What a request's backbone is called in a record, and which are refused before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.runs.complete import complete
from bench.runs.request import RunRequest
from bench.spec import Ranking, RunSpec


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory, with a folder for a model in it."""
    (tmp_path / "home" / "models" / "mine").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def named(backbone: str) -> str | None:
    return complete(RunRequest("text-knn", "shop", backbone=backbone)).backbone


def test_a_backbone_in_the_home_directory_does_not_say_whose_it_is(home: Path) -> None:
    spellings = [str(home / "models" / "mine"), f"{home}/models/mine/", "~/models/mine", "~/models//mine/."]
    assert {named(spelling) for spelling in spellings} == {"~/models/mine"}


def test_a_folder_has_one_spelling(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "models")
    assert {named("mine"), named("./mine"), named("mine/")} == {"mine"}


@pytest.mark.parametrize("name", ["minilm", "google-t5/t5-small"])
@pytest.mark.usefixtures("home")
def test_a_name_that_is_no_folder_stays(name: str) -> None:
    assert named(name) == name


@pytest.mark.parametrize("method", ["text-knn", "text-linear", "unisrec", "lora"])
def test_a_toy_decoder_is_refused_where_an_encoder_is_needed_before_it_is_made(method: str) -> None:
    with pytest.raises(BenchError, match=f"Backbone 'tiny' is a decoder, and method '{method}' runs on an encoder"):
        complete(RunRequest(method, "shop", backbone="tiny", sources=("other",) if method == "unisrec" else ()))


def test_an_empty_backbone_is_not_the_default() -> None:
    with pytest.raises(BenchError, match="--backbone is empty; leave it out for the default"):
        named("")


def test_the_prior_corrected_likelihood_is_the_default_and_other_scorings_are_runs_of_their_own() -> None:
    def spec(ranking: Any) -> RunSpec:
        return complete(RunRequest("zeroshot", "beauty", backbone="tiny", ranking=ranking))

    assert spec("prior-corrected") == spec("likelihood") == spec(None)
    assert len({spec(one).hash() for one in (None, "sum", "mean", "prior-corrected-mean")}) == 4


@pytest.mark.parametrize(
    ("method", "backbone", "message"),
    [
        ("tallrec-yesno", "tiny", "cannot score by a decoder's likelihood: remove --scoring"),
        ("zeroshot", None, "Backbone 'minilm' is an encoder and gives titles no likelihood"),
    ],
)
@pytest.mark.parametrize("scoring", ["mean", "prior-corrected"])
def test_a_scoring_that_method_or_backbone_lacks_is_refused(
    method: str, backbone: str | None, message: str, scoring: Ranking
) -> None:
    with pytest.raises(BenchError, match=message):
        complete(RunRequest(method, "beauty", backbone=backbone, ranking=scoring))


def test_names_may_be_written_in_any_case_and_the_spec_has_the_known_ones() -> None:
    spec = complete(RunRequest("UniSRec", "Beauty", sources=("Toys", "TOOLS")))
    assert (spec.method, spec.protocol.dataset, spec.sources) == ("unisrec", "beauty", ("tools", "toys"))
    assert spec.hash() == complete(RunRequest("unisrec", "beauty", sources=("tools", "toys"))).hash()
    assert complete(RunRequest("RecBole:narm", "shop")).method == "recbole:NARM"


def test_a_run_has_the_same_id_by_whichever_name_its_parameters_are_given() -> None:
    short = complete(RunRequest("bpr", "shop", params={"lr": "0.01", "dim": "8"}))
    full = complete(RunRequest("bpr", "shop", params={"learning_rate": 0.01, "dimensions": 8}))
    assert (short.hash(), short.params["learning_rate"]) == (full.hash(), 0.01)
