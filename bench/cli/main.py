"""``bench``: the command line. Subcommands are imported only when they are called."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from bench import __version__
from bench.cli.failures import INTERRUPTED, failure_of_machine, flush_streams, make_streams_lenient
from bench.errors import BenchError, BenchWarning, one_line, printable, unknown_name

COMMANDS = {
    "run": "Train and evaluate one method on one dataset.",
    "list": "List methods, datasets, experiments or stored runs.",
    "describe": "Show a method's parameters or a dataset's card.",
    "data": "Prepare, verify, import or summarize datasets.",
    "candidates": "Show or export the fixed candidate lists.",
    "table": "Build a table from stored runs.",
    "plan": "Show the adapters and runs that an experiment needs.",
    "reproduce": "Run an experiment's missing runs and write its table.",
    "curve": "Show the training size at which methods overtake a reference.",
    "show": "Show a stored run, and how to repeat it.",
    "rm": "Remove stored runs.",
    "compare": "Compare two stored runs with paired tests.",
    "export-task": "Write a task as Parquet files for another program.",
    "import-scores": "Store another program's scores as a run.",
    "export": "Write stored runs to an archive.",
    "import-runs": "Verify and store the runs of an archive.",
    "artifacts": "Share trained adapters.",
    "leaderboard": "Check submitted runs, or build a leaderboard of them.",
    "report": "Write an HTML report of all stored runs.",
    "new": "Create a new baseline, dataset card or experiment.",
    "check": "Check that a method follows the contract, on toy data.",
    "diagnose": "Show the cost, popularity bias and stability of stored runs.",
    "migrate": "Update records written by older versions, or pack runs.",
    "verify": "Check that stored runs and the cache are unchanged.",
    "cache": "Show or clean the cache.",
    "doctor": "Check this installation.",
}
"""Name and one-line help of each subcommand, so that ``bench --help`` imports none of them."""
ALIASES = {"artefacts": "artifacts"}
"""Further names of subcommands, which the help does not list."""
USER_ERROR = 2
INTERRUPT = 128 + signal.SIGINT


class LazyGroup(click.Group):
    """A group with known subcommand names that imports a subcommand's module on first use."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import ``bench.cli.<name>`` and return its command."""
        name = ALIASES.get(name, name)
        if name not in COMMANDS:
            return None
        stem = name.replace("-", "_")
        module = importlib.import_module(f"bench.cli.{stem}")
        command: click.Command = getattr(module, "list_" if name == "list" else stem)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; for an unknown name, suggest similar ones."""
        if args and not args[0].startswith("-") and args[0] not in {**COMMANDS, **ALIASES}:
            raise unknown_name("command", args[0], COMMANDS, "bench --help")
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> Any:
        """Invoke the subcommand; warnings for users are printed on stderr, once each."""
        with _warnings_told():
            return super().invoke(context)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the one-line table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@contextmanager
def _warnings_told() -> Iterator[None]:
    told = set()
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, BenchWarning):
                usual(message, category, *place, **more)
            elif str(message) not in told:
                told.add(str(message))
                # not by click, which would write past a live display
                sys.stderr.write(f"Warning: {one_line(str(message))}\n")

        warnings.simplefilter("always", BenchWarning)
        warnings.showwarning = show
        yield


EXAMPLES = """\b
Examples:
  bench run --method reccocktail --dataset ml-100k-drama --setting cold
  bench table demo --format latex
"""


@click.group(cls=LazyGroup, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def cli() -> None:
    """Benchmark recommenders (classical, transferable, LLM-based): 1 positive and 29 negatives per query."""


def main() -> None:
    """Run the command line; an error of the user or the machine is reported in one line on stderr, with exit code 2."""
    signal.signal(signal.SIGTERM, _terminated)
    wait_passively()
    make_streams_lenient()
    if "_BENCH_COMPLETE" in os.environ:
        from bench.cli.completion import install

        install()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = _told(INTERRUPTED, INTERRUPT, label="")
    try:
        flush_streams()
    except BrokenPipeError:
        pass  # the reader closed the pipe
    except OSError as error:
        code = code or _told(f"Cannot write to standard output: {error.strerror}.", USER_ERROR)
    sys.exit(code)


def wait_passively() -> None:
    """Let OpenMP threads sleep at barriers, unless the user chose otherwise; must be called before torch is loaded.

    They spin by default, which makes training many times slower if another process is busy.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def _run() -> int:
    """Run the command and return the exit code; errors of the user or the machine are printed on stderr.

    Raises:
        KeyboardInterrupt: the user interrupted it.
        Exception: an error in bench itself.
    """
    try:
        # without standalone mode click returns the code of an Exit instead of raising it
        returned = cli.main(prog_name="bench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USER_ERROR
    except Exception as error:
        if isinstance(error, click.Abort) and not isinstance(error.__cause__, EOFError):
            raise KeyboardInterrupt from error
        mistake = _mistake(error)
        if mistake is None:
            raise
        code = _told(mistake, USER_ERROR)
        if isinstance(error, BenchError) and error.choices:
            with suppress(OSError):
                click.echo(printable(error.choices), err=True)
        return code
    return returned if isinstance(returned, int) else 0


def _mistake(error: Exception) -> str | None:
    """Return the message for an error of the user or the machine; None for an error in bench itself."""
    if isinstance(error, click.UsageError):
        return _usage_message(error)
    if isinstance(error, BenchError | click.ClickException):
        return str(error)
    # click raises Abort at the end of standard input
    return failure_of_machine(error.__cause__ if isinstance(error, click.Abort) and error.__cause__ else error)


def _told(message: str, code: int, label: str = "Error: ") -> int:
    """Print a one-line message on stderr, and return the exit code."""
    with suppress(OSError):
        click.echo(f"{label}{one_line(message)}", err=True)
    return code


def _terminated(number: int, _: object) -> NoReturn:
    """Raise SystemExit, so that temporary directories are removed if a scheduler's signal ends the program."""
    sys.exit(128 + number)


def _usage_message(error: click.UsageError) -> str:
    """Return click's message as one line, with the command whose help describes the expected usage."""
    message = " ".join(error.format_message().split()).rstrip(".")
    path = "bench" if error.ctx is None else error.ctx.command_path
    end = "" if message.endswith(("?", "?)")) else "."
    return f"{message}{end} See '{path} --help'."


if __name__ == "__main__":
    main()
