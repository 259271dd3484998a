r"""The mathematics that an answer concludes with, in one spelling as far as writing goes. Pure.

In \boxed{...}, or after "the answer is"; where a sentence is there, what it says is the result.
Whether two expressions are equal is a question for `aggregators.algebra.comparing`.
"""

import re

from aggregators.answers.places import boxed, conclusions, last_line
from aggregators.answers.values import LONGEST_VALUE, NUMBER, number_value

_NUMBER = NUMBER.pattern
_MATH = r"\$+(?P<dollars>[^$]+)\$+|\\\((?P<round>.+?)\\\)|\\\[(?P<square>.+?)\\\]"
_INSIDE = re.compile(_MATH, re.DOTALL)
_DISPLAYED = re.compile(rf"\s*(?:{_MATH})", re.DOTALL)
_STATED = re.compile(
    r"(?:\b(?:is|are|be|equals?)(?:[ ](?:equal[ ]to|equivalent[ ]to|approximately|about))?|=)"
    r"[\s:*]*"
    rf"(?:{_MATH}|(?P<number>(?x:{_NUMBER}))(?!\s*[-+*/^(\\]|\w))"
)
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_NAMED = re.compile(r"\\(?:text|mathrm|mbox|operatorname|mathbf|textbf)\s*\{[^{}]*\}|\\[A-Za-z]+")
_FUNCTIONS = re.compile(r"\b(?:sqrt|sin|cos|tan|log|exp|mod|gcd|lcm|min|max)\b")
_DELIMITERS = re.compile(r"\$|\\[()\[\]]")
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|(?<!\\)\\[!,; ]")
_REMARK = re.compile(r"(?<=\S)\s*\([A-Za-z][A-Za-z ]*\)$")
_UNIT = re.compile(
    rf"((?x:{_NUMBER}))\s*"
    r"(?:\\(?:text|mathrm|mbox)\s*\{[^{}]*\}(?:\^\{?\d\}?)?|[A-Za-z][A-Za-z ]*)"
)
_ROOT = re.compile("\u221a(?:\\(([^()]*)\\)|(\\d+|[A-Za-z]))|\\bsqrt\\(([^()]*)\\)")
_MARKS = " *`_>\n\t"


def latex(text: str) -> str | None:
    """The mathematics concluded with; None where none is found."""
    text = text.replace("\\$", "")  # A dollar of money.
    found = boxed(text)
    if found is not None:
        return tidy(found)
    for said in conclusions(text):
        if value := _concluded(said):
            return value
    line = (last_line(text) or "").replace("**", "")
    stated = _stated(line) or _equated(line)
    return tidy(stated) if stated else None


def tidy(written: str) -> str | None:
    """An expression without layout; a number as every number is written; None for nothing."""
    if not written or len(written) > LONGEST_VALUE:
        return None
    bare = _LAYOUT.sub("", written.strip().strip("$"))
    bare = bare.replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac")
    bare = _ROOT.sub(lambda root: rf"\sqrt{{{next(filter(None, root.groups()), '')}}}", bare)
    bare = " ".join(bare.replace(r"\%", "%").split())
    if unit := _UNIT.fullmatch(bare):
        bare = unit[1]
    value = number_value(bare) if NUMBER.fullmatch(bare) else None
    return value or bare or None


def _concluded(said: str) -> str | None:
    """What the text after "the answer is" gives: a formula, or the result in a sentence."""
    said = said.lstrip(_MARKS)
    if displayed := _DISPLAYED.match(said):
        whole, rest = _written(displayed), said[displayed.end() :].split("\n", 1)[0]
        if not _words(rest):
            line = said[: displayed.end()] + rest
            return _balanced(_trimmed(_DELIMITERS.sub("", line)) if rest.strip(". *") else whole)
    line = said.split("\n", 1)[0]
    if not line.strip(_MARKS):
        return None
    if not _words(line):
        return _balanced(_trimmed(_DELIMITERS.sub("", line)))
    if stated := _stated(line):
        return _balanced(stated)
    if inside := _INSIDE.search(line):
        return _balanced(_written(inside))
    numbers = NUMBER.findall(line)
    return _balanced(numbers[0] if len(numbers) == 1 else _trimmed(line))


def _stated(line: str) -> str | None:
    """What the line says last that something is."""
    found = None
    for one in _STATED.finditer(line):
        found = _written(one)
    return found


def _equated(line: str) -> str | None:
    """The right side of a line that is an equation and nothing else."""
    if "=" not in line or _words(line) or "$" in line:
        return None
    return _balanced(_DELIMITERS.sub("", line.rsplit("=", 1)[1]))


def _written(found: re.Match[str]) -> str:
    return next(filter(None, found.groupdict().values()), "")


def _balanced(written: str) -> str | None:
    """None where the text ended within it."""
    trimmed = _trimmed(written)
    return tidy(trimmed) if trimmed.count("{") == trimmed.count("}") else None


def _trimmed(written: str) -> str:
    return _REMARK.sub("", written.strip(_MARKS).rstrip(". *"))


def _words(line: str) -> bool:
    """Whether it is a sentence, and not a formula."""
    return bool(_PROSE.search(_FUNCTIONS.sub("", _NAMED.sub("", _REMARK.sub("", line.strip())))))
