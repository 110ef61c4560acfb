"""Reads the texts that stand under a dataclass's fields, which Python itself throws away."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from typing import TypeGuard


def field_docstrings(dataclass_type: type) -> dict[str, str]:
    """Return field name → the string under it, base classes included; empty where there is no source file."""
    found: dict[str, str] = {}
    for base in reversed(dataclass_type.__mro__):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for statement, following in itertools.pairwise(statements):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and _is_text(following):
                found[statement.target.id] = " ".join(str(ast.literal_eval(following.value)).split())
    return found


def _is_text(statement: ast.stmt) -> TypeGuard[ast.Expr]:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
