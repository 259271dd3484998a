"""Whether an upstream's refusal is about how the service asks, in place of what was asked. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from experts.upstream.redaction import LONGEST

_FIELDS = ("code", "type", "status", "reason")
_CODES = re.compile(
    r"""
      api_?key | unauthenti | authentication | unauthori[sz]ed | permission_?(?:error|denied)
    | insufficient_?(?:quota|credit|balance|funds) | billing | payment | deactivated
    | (?:model|deployment)\w*_(?:not_?found|deprecated|decommissioned|retired|not_available)
    | (?:model|deployment)_?(?:not_?found|decommissioned) | organi[sz]ation
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Of errors that are about our key, account or model, whatever their status."""
_QUOTED = re.compile(r"(?<!\w)([\"'`])[^\"'`]{0,200}\1(?!\w)")
_ACCOUNT = re.compile(
    r"""
      \bbilling\b | \bpayment\s+(?:method|required) | \bunpaid\b
    | \bcredit\s+balance | \bcredits?\s+(?:has|have|is|are|was|were)\b
    | \b(?:of|insufficient|enough|no|more|add|buy|purchase|prepaid|remaining|free)\s+credits?\b
    | \b(?:invalid|incorrect|wrong|expired|missing|provide\w*)\s+(?:\w+\s+){0,2}api[\s_-]?key\b
    | \bapi[\s_-]?key\s+(?:\w+\s+){0,3}(?:invalid|expired|incorrect|disabled|revoked|missing)\b
    | \baccount\s+(?:\w+\s+){0,2}(?:deactivated|disabled|suspended|not\s+active)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PLAN = re.compile(r"\bquota\b | \borgani[sz]ations?\b", re.IGNORECASE | re.VERBOSE)
"""Words that a rate limit may have as well."""
_MODEL = re.compile(
    r"""
    \b(?:model|deployment|engine)s?\b .{0,120}?
    (?: \b(?:does|do)\s+not\s+exist | \bdoesn.t\s+exist | \bnot\s+(?:be\s+)?found
      | \bno\s+access | \bnot\s+have\s+access | \bdeprecated | \bdecommissioned | \bretired
      | \bis\s+not\s+(?:a\s+valid\s+model|available) | \bno\s+longer\s+(?:available|supported) )
    | \b(?:unknown|no\s+such|invalid)\s+(?:model|deployment)\b(?!\s+(?:parameter|output|input))
    | \bnot\s+a\s+valid\s+model\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_GONE = re.compile(
    r"\b(?:has|have)\s+been\s+(?:deprecated|decommissioned|retired|shut\s+down)", re.IGNORECASE
)


def is_about_us(error: Mapping[str, Any], *, limited: bool = False) -> bool:
    """Whether an error is about our key, account, model or address.

    What a message quotes may be the client's and is not read. `limited` is for rate limits, whose
    words name a quota or an organization as a matter of course.
    """
    if any(_CODES.search(_text(error.get(name))) for name in _FIELDS):
        return True
    message = _QUOTED.sub(" ", _text(error.get("message")))
    if _ACCOUNT.search(message):
        return True
    if limited:
        return False
    # Where a field of the request is named, that is what is out of date.
    of_field = error.get("param") not in (None, "", "model")
    return bool(_PLAN.search(message) or (not of_field and _is_gone(message)))


def _is_gone(message: str) -> bool:
    return bool(_MODEL.search(message) or _GONE.search(message))


def _text(told: Any) -> str:
    return str(told)[:LONGEST] if isinstance(told, str | list | dict) else ""
