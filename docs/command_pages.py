"""The command line page, generated from the commands' help.

mkdocs-click leaves out epilogs, where the examples are, and does not escape ``*`` and ``|`` in help texts.
"""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterator

import click

from bench.cli.main import cli

NO_WRAP = "\b"
"""Click's marker for a paragraph that is not rewrapped."""
SIGNS = "\\\\*_`|<>&[]$"
"""Characters that Markdown or HTML would interpret as markup."""


def commands() -> str:
    """Return a section for each command and subcommand of ``bench``."""
    root = click.Context(cli, info_name="bench", **cli.context_settings)
    return "\n\n".join(_section(context) for context in all_commands(root) if context is not root)


def all_commands(context: click.Context) -> Iterator[click.Context]:
    """Yield the context of a command and of all its subcommands."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None:
                yield from all_commands(click.Context(command, info_name=name, parent=context))


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    depth = "##" + "#" * context.command_path.count(" ", len("bench "))
    parts = [f"{depth} {context.command_path}", f"```text\n{usage}\n```"]
    parts += _paragraphs(command.help) + _paragraphs(command.epilog) + _options(context)
    return "\n\n".join(parts)


def _paragraphs(text: str | None) -> list[str]:
    return [_paragraph(part) for part in inspect.cleandoc(text or "").split("\n\n") if part.strip()]


def _paragraph(text: str) -> str:
    """Return help text as Markdown; paragraphs that click does not rewrap are examples, formatted as code."""
    if not text.startswith(NO_WRAP):
        return escaped(" ".join(text.split()))
    title, *lines = text.removeprefix(NO_WRAP).strip("\n").splitlines()
    return f"{title}\n\n```sh\n{inspect.cleandoc(chr(10).join(['', *lines]))}\n```"


def _options(context: click.Context) -> list[str]:
    records = [
        parameter.get_help_record(context)
        for parameter in context.command.get_params(context)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
    ]
    rows = [f"| {_code(record[0])} | {escaped(record[1])} |" for record in records if record is not None]
    return ["\n".join(["| Option | Meaning |", "| --- | --- |", *rows])] if rows else []


def _code(text: str) -> str:
    """Return text as code, with vertical bars escaped, because they would end a table cell."""
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>"


def escaped(text: str) -> str:
    """Return text escaped for Markdown, except ``code`` in double backticks."""
    parts = re.split(r"``(.+?)``", " ".join(text.split()))
    return "".join(_code(part) if number % 2 else _plain(part) for number, part in enumerate(parts))


def _plain(text: str) -> str:
    return "".join(f"&#{ord(sign)};" if sign in SIGNS else sign for sign in text)
