"""Which questions fit routers and which measure them, where their file does not say it."""

import hashlib

from evals.tasks.spec import AnySplit

SPLITS: tuple[AnySplit, ...] = ("probe", "test", "examples")


def by_digest(question: str, probe_share: float) -> AnySplit:
    """The split of a question whose file names none: the same wherever and whenever it is read.

    Of the SHA-256 digest of the question in lower case with single spaces, the first 8 bytes are a
    number in 0..1; below `probe_share` it is a probe question. So questions that are equal but for
    case and spaces are in the same split.
    """
    digest = hashlib.sha256(same_words(question).encode()).digest()
    return "probe" if int.from_bytes(digest[:8]) / 2**64 < probe_share else "test"


def same_words(question: str) -> str:
    """What two questions have in common that differ in case and spaces only."""
    return " ".join(question.casefold().split())
