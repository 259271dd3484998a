"""Takes out of a text what may be a key. Pure."""

import base64
import json
import re
import string
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MARK = "[redacted]"
LONGEST = 1000
"""Letters of a message that are looked at and kept."""
WINDOW = 8
"""So many letters of a known secret in a row are taken for it; a shorter one is a placeholder."""

_RUN = string.ascii_letters + string.digits + "_-.*+/="
_KEYS = re.compile(
    r"""
      \bbearer\s+[^\s"']+
    | \bbasic\s+[\w+/-]{8,}={0,2}(?![\w+/=-])
    | \b(?:AKIA|ASIA)[A-Z0-9*]{8,}                  # Amazon
    | \b(?:sk|pk|rk)[-_][\w*.-]{4,}                 # OpenAI, OpenRouter, Anthropic, Stripe
    | \b(?:gsk|hf|r8|xai|nvapi|fw|pplx)[-_][\w*.-]{10,}
    | \b(?:org|proj|user|key|acct)-(?:[\w*.-]{12,}|(?=[a-z]*\d)\w{4,})    # ids of an account
    | \bAIza[\w*-]{8,}
    | \beyJ[\w-]{8,}\.[\w.-]+                       # a JSON web token
    | (?<=://)[^\s/@]+(?=@)
    | \b(?:x-)?api[-_ ]?key["']?\s*[:=]\s*["']?[^\s"']+
    | \b(?:token|secret|password|authorization|key)["']?\s*=\s*["']?[^\s"'&]+
    | (?<![^\s"'])[^\s"']*\*{3,}[^\s"']*                        # masked in its middle
    | \b\w[\w-]{2,}(?:\.{3}|…)[\w-]{2,}             # cut in its middle
    """,
    re.IGNORECASE | re.VERBOSE,
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text on one line, without the secrets, parts of them, and what looks like a key."""
    line = " ".join(text.split())[:LONGEST].encode("utf-8", "replace").decode()
    for secret in secrets:
        for written in _writings(" ".join(secret.split())):
            line = _without(line, written)
    return _KEYS.sub(MARK, line)


def _writings(secret: str) -> Iterator[str]:
    """The secret as it is, and as URLs, JSON and HTTP's Basic authentication write it."""
    if len(secret) < WINDOW:
        return
    found = {secret: None}  # In order, each once.
    raw = secret.encode("utf-8", "replace")
    for written in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        found[written] = found[re.sub("%..", lambda code: code[0].lower(), written)] = None
    for escaped in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        found[escaped[1:-1]] = found[escaped[1:-1].replace("/", r"\/")] = None
    for before in range(3):
        # The letters that hold nothing but the secret, whatever stands before and behind it.
        whole = base64.b64encode(bytes(before) + raw).decode()
        inner = whole[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        found[inner] = found[inner.replace("+", "-").replace("/", "_")] = None
    yield from found


def _without(line: str, secret: str) -> str:
    """The line without any run of letters that holds a part of the secret."""
    parts = {secret[at : at + WINDOW] for at in range(len(secret) - WINDOW + 1)}
    kept: list[str] = []
    done = at = 0
    while at + WINDOW <= len(line):
        if line[at : at + WINDOW] not in parts:
            at += 1
            continue
        begin = done + len(line[done:at].rstrip(_RUN))
        while line[at : at + WINDOW] in parts:
            at += 1
        at += WINDOW - 1
        at = len(line) - len(line[at:].lstrip(_RUN))
        kept += [line[done:begin], MARK]
        done = at
    return "".join([*kept, line[done:]])
