"""Nothing that was downloaded or shared is run: no pickle is read, and no code that comes with a model."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import bench.baselines
import bench.methods
import pytest
from bench.baselines.recbole_models import zoo

import bench
from bench.errors import BenchError
from bench.runs.complete import complete
from bench.runs.request import RunRequest

FOLDERS = [Path(place) for package in (bench, bench.baselines, bench.methods) for place in package.__path__]
SOURCES = sorted({path for folder in FOLDERS for path in folder.rglob("*.py")})
UNPICKLING = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
USED_OF_RECBOLE = (
    "recbole.model.",
    "recbole.data.transform.construct_transform",
    "recbole.data.interaction.Interaction",
    "recbole.utils.FeatureType",
    "recbole.utils.InputType",
)


def calls(source: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield each call's name, such as ``torch.load``, and its arguments that are literals."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            literals = {
                one.arg: one.value.value for one in node.keywords if one.arg and isinstance(one.value, ast.Constant)
            }
            yield ast.unparse(node.func), literals


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(source: str) -> list[str]:
    """Return what in a source would run what a file holds."""
    found = [f"imports {name}" for name in imported(source) if name.partition(".")[0] in UNPICKLING]
    for name, literals in calls(source):
        attribute = name.rpartition(".")[2]
        if name == "torch.load" and literals.get("weights_only") is not True:
            found.append("torch.load without weights_only=True")
        if literals.get("allow_pickle") or name.endswith("read_pickle"):
            found.append(f"{name} reads pickles")
        if attribute in ("from_pretrained", "from_config", "LLM") and literals.get("trust_remote_code") is not False:
            found.append(f"{name} without trust_remote_code=False")
        if attribute in ("eval", "exec") and name == attribute:
            found.append(f"calls {name}")
        if attribute in ("extractall", "unpack_archive") or literals.get("shell") is True or name == "os.system":
            found.append(f"calls {name}")
        if name in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
            found.append(f"calls {name}")
    return found


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 150


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", "imports pickle"),
        ("torch.load(path)", "torch.load without weights_only=True"),
        ("np.load(path, allow_pickle=True)", "np.load reads pickles"),
        ("AutoModel.from_pretrained(folder)", "AutoModel.from_pretrained without trust_remote_code=False"),
        ("AutoModel.from_pretrained(folder, trust_remote_code=asked)", "without trust_remote_code=False"),
        ("archive.extractall(folder)", "calls archive.extractall"),
        ("subprocess.run(text, shell=True)", "calls subprocess.run"),
    ],
)
def test_the_search_finds_what_it_looks_for(source: str, found: str) -> None:
    assert any(found in offence for offence in offences(source))


def test_no_source_runs_what_a_file_holds() -> None:
    found = {str(path): offences(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: list_ for path, list_ in found.items() if list_} == {}


def test_no_loader_of_recbole_is_reached() -> None:
    names = {name for path in SOURCES for name in imported(path.read_text(encoding="utf-8"))}
    of_recbole = {name for name in names if name.partition(".")[0] == "recbole"}
    assert {name for name in of_recbole if not name.startswith(USED_OF_RECBOLE)} == set()


@pytest.mark.parametrize(
    ("model", "parameter"),
    [
        ("NeuMF", "use_pretrain=true"),
        ("NeuMF", "mf_pretrain_path=evil.pth"),
        ("NAIS", "pretrain_path=evil.pth"),
        ("ConvNCF", "train_method=after_pretrain"),
        ("ConvNCF", "pre_model_path=evil.pth"),
        ("LDiffRec", "n_cate=2"),
    ],
)
def test_no_recbole_class_is_told_to_read_a_file(model: str, parameter: str) -> None:
    name, _, value = parameter.partition("=")
    with pytest.raises(BenchError, match=f"Parameter '{name}' .* cannot be changed"):
        complete(RunRequest(f"recbole:{model}", "shop", params={name: value}))


def test_every_recbole_class_that_reads_a_file_is_covered() -> None:
    folder = zoo._folder() / "model"
    marks = ("torch.load(", "allow_pickle=True")
    reading = {path.stem for path in folder.glob("*/*.py") if any(mark in path.read_text("utf-8") for mark in marks)}
    usable = {name.lower() for name in zoo.model_modules() if name not in zoo.UNSUPPORTED}
    assert reading & usable == {"neumf", "nais", "convncf", "ldiffrec"}


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    """A folder that asks transformers to run a file of its own, which would leave a mark."""
    code = f"open({str(tmp_path / 'PWNED')!r}, 'w').close()\nclass Evil: pass\n"
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "evil.py").write_text(code)
    mapping = dict.fromkeys(("AutoConfig", "AutoModel", "AutoTokenizer", "AutoModelForCausalLM"), "evil.Evil")
    settings = {"model_type": "evil", "architectures": ["Evil"], "auto_map": mapping}
    (folder / "config.json").write_text(json.dumps(settings))
    tokenizer = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    return folder


@pytest.mark.parametrize("architecture", ["Evil", "EvilForCausalLM", "EvilForConditionalGeneration"])
def test_code_that_comes_with_a_model_is_not_run(
    hostile_folder: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.baselines.networks.p5 import load_t5

    from bench.lm.backbones import local_backbone
    from bench.lm.decoders.likelihood import loaded_decoder
    from bench.lm.encoders.text_encoder import load_encoder

    settings = json.loads((hostile_folder / "config.json").read_text())
    (hostile_folder / "config.json").write_text(json.dumps({**settings, "architectures": [architecture]}))
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # as whoever answers every question
    backbone = local_backbone("evil", hostile_folder)
    for load in (
        lambda: load_encoder(backbone, "cpu"),
        lambda: loaded_decoder(backbone, "cpu", 5),
        lambda: load_t5(backbone, "cpu"),
    ):
        with pytest.raises(BenchError) as refused:
            load()
        assert "\n" not in str(refused.value)
    assert not (hostile_folder.parent / "PWNED").exists()
