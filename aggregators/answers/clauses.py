"""What a sentence says beside its reasons and beside what it rules out. Pure.

"B, not A", "B, since A is a fish", "B (A is a fish)" and "It isn't A but B." all say "B".
"""

import re

SENTENCE = re.compile(r"((?<=[.!?])(?<!\bi\.e\.)(?<!\be\.g\.)\s+(?=[^\sa-z])|\n+)")
"""What stands between two sentences, or lines."""
_LETTER = r"(?:(?:option|choice|letter|answer)\s+)?\W*[A-Za-z]\W*"
_ASIDE = re.compile(
    rf"(?<=[^\s(=+*/^\u00d7\u00f7-])\s+\((?!{_LETTER}\))[^()\n]*\)(?!\s*[-+*/=^\u00d7\u00f7])",
    re.IGNORECASE,
)
"""Between parentheses, unless it is an option or a part of a calculation."""
_NOT_BUT = re.compile(
    r"(?:(?:\b(?:is|are|was|were)|'s|'re)\s+not|\b(?:isn't|aren't|wasn't|weren't)|\bnot)\s+"
    r"(?!(?:only|just|merely|simply)\b)[^,;.!?\s]+(?:\s+[^,;.!?\s]+){0,3}?"
    r"(?:,?\s+but(?:\s+rather)?|[,;]\s*(?:rather|it'?s|it\s+is|that'?s))\s+"
    r"(?=\S+(?:\s+(?!is\b|are\b|does\b)|[.!*)]*$|[,;]))",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"(?<=[\w)*\]}])(?:\s*[,;]\s*|\s+[-\u2013\u2014]+\s+|\s*\u2014\s*)(?:and\s+|but\s+)?not\b.*$"
    r"|(?<=[\w)*\]}]),?\s+(?:rather\s+than|instead\s+of|as\s+opposed\s+to|unlike|whereas)\b.*$",
    re.IGNORECASE | re.DOTALL,
)
_REASON = re.compile(
    r"(?<=[\w)*\]}%])(?:"
    r"\s*[,;]?\s+because\b|,\s+(?:\w+\s+)?of\s+which\b"
    r"|\s*[,;\u2014\u2013]\s*(?:since|as|given\s+that|seeing\s+that|while|although|though|i\.e\.)(?!\w)"
    r"|\s+(?:since|as)\s+(?=[^.!?]*\s(?:is|are|was|were|has|have|does|do|can|cannot|=)\s)"
    r").*$",
    re.IGNORECASE | re.DOTALL,
)
_RELATIVE = re.compile(r"(?<=[\w)*\]}]),\s+(?:which|who|where)\b[^\d]*$", re.IGNORECASE)
"""Without numbers: "5 * 3, which is 15" says 15."""
_BEFORE = re.compile(
    r"^\W*(?:(?:however|but|and|so|thus|therefore|hence|well|now)\b,?\s+)?"
    r"(?:since|because|as|given\s+that|although|though|while|whereas)\s[^\n]*?"
    r",\s+(?=\S)(?!(?:\W*\w+\W*,\s+){0,9}\W*(?:\w+\W+)?(?:and|or)\b)",
    re.IGNORECASE,
)
_RULED_OUT = re.compile(
    r"^[^.!?\n]*?\b(?:is|are|was|were|looks?|seems?)(?:\s+(?:clearly|also|both))?"
    r"(?:\s+(?:wrong|incorrect|false|out|not(?!\s+(?:only|just|merely|simply)\b))\b|n't\b)[^.!?\n]*?"
    r"[,;]?\s+(?:so(?!\s+(?:is|are|does))|but|therefore|hence|thus)\b[:,]?\s+(?=\S)"
    r"|^\W*neither\b[^.!?\n]*?,\s+(?:(?:so|but|therefore|hence|thus)\b[:,]?\s+)?(?=\S)",
    re.IGNORECASE,
)
_THEREFORE = re.compile(
    r"^\W*\S+(?:\s+\S+){2,}?[,;]\s+(?:and\s+)?(?:so|therefore|hence|thus)\b[:,]?\s+"
    r"(?=\S+(?:\s+\S+){0,3}\s*$)",
    re.IGNORECASE,
)
"""A short conclusion behind a longer premise."""
LONGEST = 400
"""Characters of a sentence that is looked into; a longer one is left as it is."""


def main_clauses(text: str) -> str:
    """The text, each of its sentences cut to what it concludes with; never empty sentences."""
    return "".join(map(_cut, SENTENCE.split(text)))


def begins_with_a_reason(sentence: str) -> bool:
    """Whether what it says comes behind "because ...," or the like."""
    return _BEFORE.match(sentence.replace("\u2019", "'")) is not None


def _cut(sentence: str) -> str:
    if len(sentence) > LONGEST or not sentence.strip():
        return sentence
    said = sentence.replace("\u2019", "'")
    end = "." if said.rstrip().endswith(".") else ""
    for pattern, instead in (
        (_ASIDE, ""),
        (_NOT_BUT, " is "),
        (_RULED_OUT, ""),
        (_CONTRAST, end),
        (_BEFORE, ""),
        (_REASON, end),
        (_RELATIVE, end),
        (_THEREFORE, ""),
    ):
        shorter = pattern.sub(instead, said, count=0 if pattern is _ASIDE else 1)
        said = shorter if any(map(str.isalnum, shorter)) else said
    return said
