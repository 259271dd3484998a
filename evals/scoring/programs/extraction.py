"""The program in an answer: a fenced block, a whole program, or the rest of one begun. Pure.

HumanEval (Chen et al. 2021, arXiv 2107.03374) asks for the rest of a function, which ends where a
line begins something else at the left; chat models give the whole function between fences.
"""

import ast
import re
import textwrap

from aggregators.answers.places import fenced
from aggregators.answers.values import unwarned

INDENT = "    "
_PYTHON_FENCE = re.compile(r"(?im)^[ \t]*(`{3,})")
_TAGS = re.compile(r"\[/?(?:BEGIN|DONE|PYTHON|CODE|ANSWER)\]")
_NAMES = re.compile(r"(?m)^(?:async\s+def|def|class)\s+(\w+)")
_LEFT = re.compile(r"(?m)^(?=[^\s#)\]}])")
"""Where something begins that is no part of an indented body."""


def program_of(text: str, prefix: str = "", entry_point: str = "") -> str:
    """The program that an answer gives, with the prefix before it where that has begun it.

    `entry_point`: the function that the tests call; the last one that the prefix begins, if empty.
    Of several fenced blocks, those that define something the prefix or another block needs count
    together where they are one program; else the last one that defines the entry point.
    """
    name = entry_point or (_NAMES.findall(prefix) or [""])[-1]
    code = _chosen([_dedented(block) for block in _blocks(text)], name)
    if code is None:
        code = _TAGS.sub("", text).strip("\n") if prefix else _unfenced(text)
    if not prefix:
        return code
    if name in _NAMES.findall(code) or (not name and _parses(code)):
        # The prefix may import and define what the function needs; its own stub is replaced.
        return f"{_stub(prefix)}\n\n{code}\n"
    return _continued(prefix, code)


def _blocks(text: str) -> list[str]:
    return [block for block in fenced(_PYTHON_FENCE.sub(r"\1", text)) if block.strip()]


def _chosen(blocks: list[str], name: str) -> str | None:
    """The block that counts; None where nothing is fenced."""
    if not blocks:
        return None
    readable = [block for block in blocks if _parses(block)] or blocks
    defining = [block for block in readable if name and name in _NAMES.findall(block)]
    if defining:
        return defining[0] if len(defining) == 1 else max(defining, key=len)
    return max(readable, key=len)


def _dedented(block: str) -> str:
    """A fence in a list is indented, and its program with it."""
    return textwrap.dedent(block) if _NAMES.search(textwrap.dedent(block)) else block


def _unfenced(text: str) -> str:
    """A text that is a program but for words around it: from its first statement to its last."""
    tidy = _TAGS.sub("", text).strip("\n")
    if _parses(tidy):
        return tidy
    lines = tidy.splitlines()
    starts = [
        at for at, line in enumerate(lines) if re.match(r"(?:def|class|import|from|@)\b", line)
    ]
    for start in starts[:1]:
        for end in range(len(lines), start, -1):
            if _parses(found := "\n".join(lines[start:end])):
                return found
    return tidy


def _stub(prefix: str) -> str:
    """The prefix as a program by itself: a function without body and docstring gets a body."""
    return prefix if _parses(prefix) else f"{prefix.rstrip()}\n{INDENT}pass"


def _continued(prefix: str, code: str) -> str:
    """The prefix and the rest of its last function; what begins after that is left out."""
    code = code.strip("\n")
    indented = textwrap.indent(textwrap.dedent(code), INDENT)
    inside = next(iter(code), " ").isspace()
    cut = _LEFT.split(code, maxsplit=1)[0] if inside else indented
    tries = (f"{prefix}{cut}\n", f"{prefix.rstrip()}\n{cut}\n", f"{prefix.rstrip()}\n{indented}\n")
    return next(filter(_parses, tries), tries[0])


def _parses(program: str) -> bool:
    try:
        with unwarned():
            ast.parse(program)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True
