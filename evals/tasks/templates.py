"""Templates of prompts: the part of Jinja that can neither run code nor grow without bound.

A task's file may come from somebody else. So a template has variables, conditions, loops that are
not nested, and the filters and methods that are listed here; nothing else is compiled.
"""

import difflib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILTERS = (
    *("capitalize", "default", "first", "int", "last", "length", "list", "lower", "title", "trim"),
    *("unique", "upper"),
)
METHODS = frozenset(
    {
        *("capitalize", "endswith", "get", "items", "keys", "lower", "lstrip", "rstrip", "split"),
        *("startswith", "strip", "title", "upper", "values"),
    }
)
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For),
    *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Call),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg),
    *(nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.FloorDiv, nodes.Mod),
)
_RESERVED = ("caller", "self", "super")
MOST_JOINED = 1_000_000
"""Characters that one `join` may make."""


class TemplateProblem(Exception):
    """What is wrong with a template, or with a value in it."""


class _Sandbox(ImmutableSandboxedEnvironment):
    # A text times a number, and a text that is formatted, may be of any size.
    intercepted_binops = frozenset(("*", "%"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not all(isinstance(value, int | float) for value in (left, right)):
            raise SecurityError(f"`{operator}` is for numbers only")
        return super().call_binop(context, operator, left, right)


class Template:
    """A compiled template. Raises TemplateProblem."""

    def __init__(self, source: str, most_characters: int) -> None:
        self._most = most_characters
        try:
            tree = _ENVIRONMENT.parse(source)
            _check(tree)
            self.names = frozenset(meta.find_undeclared_variables(tree))
            self._template = _ENVIRONMENT.from_string(tree)
        except (TemplateError, RecursionError, SyntaxError) as error:
            raise TemplateProblem(f"is no template ({_words(error)})") from error

    def check(self, known: Collection[str]) -> None:
        """Raise TemplateProblem for a name that no row has."""
        for name in sorted(self.names - set(known) - {"range"}):
            raise TemplateProblem(f"there is no column `{name}`{suggest(name, known)}")

    def render(self, values: Mapping[str, Any]) -> str:
        """The text. Raises TemplateProblem, also where it is longer than the bound."""
        pieces, size = [], 0
        try:
            for piece in self._template.generate(values):
                pieces.append(piece)
                size += len(piece)
                if size > self._most:
                    raise TemplateProblem(f"makes more than {self._most} characters")
        except TemplateProblem:
            raise
        except Exception as error:  # Whatever an expression raises is about this row's values.
            raise TemplateProblem(_words(error)) from error
        return "".join(pieces)


def suggest(name: str, known: Collection[str]) -> str:
    """`. Did you mean ...?` or the names that there are; ends without a full stop."""
    near = difflib.get_close_matches(name, list(known), n=1)
    if near:
        return f". Did you mean `{near[0]}`?"
    return f" (there are: {', '.join(sorted(known)) or 'none'})"


def _check(tree: nodes.Node, *, in_loop: bool = False) -> None:
    if not isinstance(tree, _NODES):
        raise TemplateProblem(f"may not use `{type(tree).__name__.lower()}`")
    if isinstance(tree, nodes.Name) and tree.name in _RESERVED:
        raise TemplateProblem(f"`{tree.name}` means the template itself; use row['{tree.name}']")
    if isinstance(tree, nodes.For) and (in_loop or tree.recursive):
        raise TemplateProblem("may not have a loop inside a loop")
    if isinstance(tree, nodes.Filter) and tree.name not in _ENVIRONMENT.filters:
        known = ", ".join(sorted(_ENVIRONMENT.filters))
        raise TemplateProblem(f"may not use the filter `{tree.name}` (there are: {known})")
    if isinstance(tree, nodes.Call) and not _is_harmless(tree.node):
        raise TemplateProblem(f"may call only range and {', '.join(sorted(METHODS))}")
    for child in tree.iter_child_nodes():
        _check(child, in_loop=in_loop or isinstance(tree, nodes.For))


def _is_harmless(called: nodes.Expr) -> bool:
    if isinstance(called, nodes.Getattr):
        return called.attr in METHODS
    return isinstance(called, nodes.Name) and called.name == "range"


def _join(values: Iterable[Any], separator: str = "") -> str:
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(separator) * len(texts) > MOST_JOINED:
        raise SecurityError(f"`join` makes more than {MOST_JOINED} characters")
    return separator.join(texts)


def _tojson(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _not_null(value: Any) -> Any:
    if value is None:
        raise TemplateProblem("a value is null")
    return value


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _environment() -> _Sandbox:
    made = _Sandbox(
        undefined=StrictUndefined,
        finalize=_not_null,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        cache_size=0,
    )
    made.filters = {name: made.filters[name] for name in FILTERS}
    made.filters |= {"join": _join, "tojson": _tojson}
    made.globals = {"range": made.globals["range"]}
    return made


_ENVIRONMENT = _environment()
