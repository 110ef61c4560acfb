"""Options that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import platformdirs

from bench.errors import BenchError, did_you_mean
from bench.experiments.scale import DEFAULT_SCALE, SCALES
from bench.spec import POLICIES, SETTINGS

if TYPE_CHECKING:
    from bench.files.folders import Folders
    from bench.runs.record import RunRecord

Command = TypeVar("Command", bound=Callable[..., Any])


class NearChoice(click.Choice):  # type: ignore[type-arg]  # not generic before click 8.2
    """A choice whose complaint names what is near."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the chosen name; click's complaint ends with the names that the value may have been meant for."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(error.message + did_you_mean(value, self.choices), ctx, param) from None


def data_dir_option(command: Command) -> Command:
    """Add ``--data-dir``, passed as ``data_dir: Path | None``."""
    return click.option(
        "--data-dir",
        envvar="BENCH_DATA",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="Folder with one sub-folder of source data a dataset.",
    )(command)


def cache_dir_option(command: Command) -> Command:
    """Add ``--cache-dir``, passed as ``cache_dir: Path``."""
    return click.option(
        "--cache-dir",
        envvar="BENCH_CACHE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        default=lambda: platformdirs.user_cache_path("bench"),
        show_default="the platform's cache folder",
        help="Folder for downloads, prepared data, models and adapters.",
    )(command)


def results_dir_option(command: Command) -> Command:
    """Add ``--results-dir``, passed as ``results_dir: Path``."""
    return click.option(
        "--results-dir",
        envvar="BENCH_RESULTS",
        show_envvar=True,
        type=click.Path(path_type=Path),
        default=Path("results"),
        show_default="./results",
        help="Folder for runs and tables.",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``, passed as ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts instead of text.")(command)


def scale_option(command: Command) -> Command:
    """Add ``--scale``, passed as ``scale: str``."""
    return click.option(
        "--scale",
        type=NearChoice(tuple(SCALES)),
        default=DEFAULT_SCALE.name,
        show_default=True,
        help="Data size, queries and backbone of an experiment: smoke shows in minutes that all parts run, cpu is what "
        "its file states, full is the papers' size.",
    )(command)


def protocol_options(command: Command) -> Command:
    """Add ``--setting``, ``--policy`` and ``--protocol-seed``."""
    setting = click.option(
        "--setting",
        type=NearChoice(SETTINGS),
        default="warm",
        show_default=True,
        help="Which split: leave-one-out (warm), leave-one-out on items never trained on (cold), or users 3:1:1 with "
        "negatives by popularity (user-split).",
    )
    policy = click.option(
        "--policy",
        type=NearChoice(POLICIES),
        default="holdout",
        show_default=True,
        help="How the cold setting finds its items.",
    )
    seed = click.option(
        "--protocol-seed",
        type=int,
        default=0,
        show_default=True,
        help="Seed of held-out items, of the users' parts and of candidate lists; runs of different seeds are never "
        "compared.",
    )
    return setting(policy(seed(command)))


def recommender_options(command: Command) -> Command:
    """Add what else describes a run: ``--backbone``, ``--sources``, ``--ranking``, ``--engine`` and so on to ``-p``."""
    backbone = click.option("--backbone", help="Language model: minilm (default), tiny, a folder or a hub name.")
    sources = click.option("--sources", default="", help="Source domains, comma-separated; default the card's.")
    ranking = click.option(
        "--ranking",
        type=click.Choice(["likelihood", "generate"]),
        help="How a decoder ranks: by the likelihood of each title (default) or by the list of titles that it writes.",
    )
    engine = click.option(
        "--engine",
        type=click.Choice(["transformers", "vllm"]),
        help="What writes the lists of --ranking generate: transformers (default) or vllm.",
    )
    train_share = click.option(
        "--train-share",
        type=click.FloatRange(0, 1, min_open=True),
        default=1.0,
        help="Learn from this share of the target's training part (few-shot); smaller shares lie in larger ones.",
    )
    train_users = click.option(
        "--train-users",
        type=click.IntRange(min=1),
        help="Learn from this many of the target's training users (low-resource); fewer are among more.",
    )
    train_subset = click.option(
        "--train-subset",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Which seeded choice of --train-users.",
    )
    limit_validation = click.option(
        "--limit-validation",
        type=click.IntRange(min=1),
        help="Validate on a seeded sample of the validation queries.",
    )
    seed = click.option("--seed", type=int, default=0, show_default=True, help="Seed of training.")
    params = click.option("-p", "params", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter; repeatable.")
    learned = (limit_validation, train_subset, train_users, train_share)
    for option in (params, seed, *learned, engine, ranking, sources, backbone):
        command = option(command)
    return command


def comma_separated(text: str) -> tuple[str, ...]:
    """Return the words of ``a,b, c``."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def checked_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without repeats; raise BenchError for one that is no metric."""
    return tuple(dict.fromkeys(map(_checked_metric, names)))


def say_of_data(records: Iterable[RunRecord], folders: Folders) -> None:
    """Say on stderr which data of stored runs could not be compared with those at hand, and which have changed."""
    from bench.runs.data_check import data_notes

    for note in data_notes(records, folders):
        click.echo(note, err=True)


def progress_on_stderr(line: str) -> None:
    """Print a progress line on stderr."""
    click.echo(line, err=True)


def _checked_metric(name: str) -> str:
    from bench.metrics import DEFAULT_METRICS, Metric

    try:
        return str(Metric.parse(name.lower()))
    except ValueError:
        hint = did_you_mean(name.lower(), DEFAULT_METRICS)
        raise BenchError(
            f"Unknown metric '{name}'; expected ndcg@k, hit@k or mrr@k.{hint} See 'bench run --help'."
        ) from None
