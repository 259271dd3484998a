"""Instructions about the form of an answer: lists, titles, JSON, beginning, end. Pure."""

import json
import re

CHOICES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_PLACEHOLDER = re.compile(r"\[.*?\]")
_STARS = re.compile(r"^\s*\*[^*].*$", re.MULTILINE)
_DASHES = re.compile(r"^\s*-.*$", re.MULTILINE)
_LIGHT = re.compile(r"\*([^\n*]*)\*")
_STRONG = re.compile(r"\*\*([^\n*]*)\*\*")
_TITLE = re.compile(r"<<([^\n]+)>>")
_FENCED = re.compile(r"^```(?:json|JSON|Json)?(.*?)(?:```)?$", re.DOTALL)
_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}


def placeholders(text: str, *, num_placeholders: int) -> bool:
    """At least so many in square brackets, as [name]."""
    return len(_PLACEHOLDER.findall(text)) >= num_placeholders


def postscript(text: str, *, postscript_marker: str) -> bool:
    """A postscript is there."""
    marker = postscript_marker.strip()
    return bool(re.search(_POSTSCRIPTS.get(marker, re.escape(marker.lower())), text.lower()))


def bullets(text: str, *, num_bullets: int) -> bool:
    """Exactly so many lines begin with a star or a dash."""
    return len(_STARS.findall(text)) + len(_DASHES.findall(text)) == num_bullets


def constrained(text: str) -> bool:
    """One of the three answers that the prompt allows is given."""
    return any(choice in text for choice in CHOICES)


def highlights(text: str, *, num_highlights: int) -> bool:
    """At least so many pieces of a line between stars, single or double."""
    found = (*_LIGHT.findall(text), *_STRONG.findall(text))
    return sum(bool(piece.strip()) for piece in found) >= num_highlights


def sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
    """At least so many begin with the word and a number, as "Section 1"."""
    found = re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", text)
    return len(found) >= num_sections


def is_json(text: str) -> bool:
    """The whole is JSON, between fences or not."""
    bare = text.strip()
    fenced = _FENCED.match(bare)
    try:
        json.loads(fenced[1] if fenced else bare)
    except (ValueError, RecursionError):
        return False
    return True


def title(text: str) -> bool:
    """A title is there, in double angular brackets."""
    return any(found.strip("<> \t") for found in _TITLE.findall(text))


def repeats(text: str, *, prompt_to_repeat: str) -> bool:
    """It begins with the request, word for word."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def two_responses(text: str) -> bool:
    """Two different ones, parted by six stars."""
    parts = [part.strip() for part in text.split("******")]
    found = [part for part in parts if part]
    return all(parts[1:-1]) and len(found) == 2 and found[0] != found[1]


def ends_with(text: str, *, end_phrase: str) -> bool:
    """A phrase is the end; a quotation mark may follow."""
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quoted(text: str) -> bool:
    """The whole stands between double quotation marks."""
    bare = text.strip()
    return len(bare) > 1 and bare.startswith('"') and bare.endswith('"')
