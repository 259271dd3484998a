"""Where an answer says what it concludes: in a box, after "the answer is", between fences. Pure."""

import re

_CONCLUSION = re.compile(
    r"(?:final\s+answer|answer)\W{0,6}(?:is|are|:|=|would\s+be)\s*[:=]?\s*|####\s*", re.IGNORECASE
)
_FENCE = re.compile(r"^(`{3,})[^`]*$")


def boxed(text: str) -> str | None:
    r"""The content of the last \boxed{...}, braces matched; None where there is none."""
    start = text.rfind(r"\boxed{")
    if start < 0:
        return None
    depth = 0
    for place in range(start + len(r"\boxed"), len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if not depth:
            return text[start + len(r"\boxed{") : place]
    return None


def conclusion(text: str) -> str | None:
    """What follows the last "the answer is" or "####"; None where neither occurs."""
    ends = [found.end() for found in _CONCLUSION.finditer(text)]
    return text[ends[-1] :] if ends else None


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
    return blocks


def last_fenced(text: str) -> str | None:
    """The last fenced block, if any."""
    return next(reversed(fenced(text)), None)


def last_line(text: str) -> str | None:
    """The last line that is not blank, if any."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else None
