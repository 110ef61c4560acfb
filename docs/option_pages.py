"""The options of a run as arguments of ``bench.run``, made of the fields that the command line's are made of."""

from __future__ import annotations

from command_pages import escaped
from method_pages import table

from bench.runs.request import PARAMS, RequestOption, request_options

OWN = (PARAMS, "setting")
"""Options that the signature of ``bench.run`` names itself."""


def options() -> str:
    """Return a table of the options that ``bench.run`` takes besides the arguments of its signature."""
    shown = [option for option in request_options() if not option.is_required and option.name not in OWN]
    return table(("Option", "Type", "Default", "Meaning"), [_row(option) for option in shown])


def _row(option: RequestOption) -> tuple[str, ...]:
    kind = " or ".join(f"`{choice}`" for choice in option.choices) or f"`{getattr(option.kind, '__name__', 'str')}`"
    return f"`{option.name}`", kind, f"`{option.default!r}`", escaped(option.help)
