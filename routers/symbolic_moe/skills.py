"""The skills of a question, as keywords: from a tagger's samples or from similar questions.

Symbolic-MoE (arXiv 2503.05641, section 3.1): several samples, of which only keywords that occur
more than once count. The cheaper way asks no expert: the nearest labelled questions take the place
of the samples.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from experts.prompts import without_thoughts

LONGEST_KEYWORD = 20
TAG = "Keywords:"
FEWEST_MENTIONS = 2


def parse(sample: str) -> tuple[str, ...]:
    """The keywords of one sample: what follows the last tag, in lower case, without repeats."""
    listed = without_thoughts(sample).rpartition(TAG)[2]
    words = (word.strip().lower().replace(".", "") for word in listed.split(","))
    kept = (" ".join(word.split()) for word in words)
    return tuple(dict.fromkeys(word for word in kept if 0 < len(word) <= LONGEST_KEYWORD))


def agreed(samples: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Keywords of at least two samples, the most frequent first, then by name. May be none."""
    counts = Counter(word for sample in samples for word in sample)
    kept = [word for word, count in counts.items() if count >= FEWEST_MENTIONS]
    return tuple(sorted(kept, key=lambda word: (-counts[word], word)))
