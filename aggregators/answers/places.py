"""Where an answer says what it concludes: in a box, after "the answer is", between fences. Pure."""

import re
from collections.abc import Iterator

MOST_CONCLUSIONS = 8
"""The last of them that are looked at."""

_ANSWER = (
    r"(?:answer|(?:correct|right|best)\s+(?:choice|option)"
    r"|ответ|antwort|réponse|respuesta|resposta|risposta)"
)
_CONCLUSION = re.compile(
    rf"(?:final\s+)?{_ANSWER}\W{{0,6}}(?:(?:is|are|would\s+be|ist|est|es|é|è)\b|:|=)\s*[:=]?\s*\}}?\s*"
    r"|####\s*",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\s*\{")
_FENCE = re.compile(r"^(`{3,})[^`]*$")


def boxed(text: str) -> str | None:
    r"""The content of the last \boxed{...}, braces matched; None where there is none."""
    starts = [found.end() for found in _BOXED.finditer(text)]
    if not starts:
        return None
    depth = 1
    for place in range(starts[-1], len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return text[starts[-1] : place]
    return None


def conclusion(text: str) -> str | None:
    """What follows the last "the answer is" or "####"; None where neither occurs.

    The word may be one of a few other languages' for answer.
    """
    return next(conclusions(text), None)


def conclusions(text: str) -> Iterator[str]:
    """What follows each "the answer is" or "####", the last one first."""
    ends = [found.end() for found in _CONCLUSION.finditer(text)]
    return (text[end:] for end in reversed(ends[-MOST_CONCLUSIONS:]))


def fenced(text: str) -> list[str]:
    """The blocks between fences, in order; the last one may lack its closing fence."""
    blocks: list[str] = []
    fence: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        if fence is None:
            if found := _FENCE.match(line):
                fence, lines = found[1], []
        elif line.strip().startswith(fence) and not line.strip("` \t"):
            blocks.append("\n".join(lines))
            fence = None
        else:
            lines.append(line)
    if fence is not None and lines:
        blocks.append("\n".join(lines))
    return blocks


def last_fenced(text: str) -> str | None:
    """The last fenced block, if any."""
    return next(reversed(fenced(text)), None)


def last_line(text: str) -> str | None:
    """The last line that is not blank, if any."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else None
