"""Whether two mathematical expressions are equal: numbers at once, others by algebra in a child."""

import atexit
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from aggregators.algebra.children import Children, Silent
from aggregators.answers.values import NUMBER, number_value

SECONDS = 5.0
"""What one pair may take; one that takes longer is different."""
GRACE_S = 1.0
"""What the child has to end a comparison by itself, before it is killed and started anew."""
AT_ONCE = 2
CLOSE = Fraction(1, 1_000)
"""Numbers that are further apart, in relation to their size, are different without algebra."""

_CHILDREN = Children(Path(__file__).with_name("worker.py"), (str(SECONDS),), AT_ONCE)
atexit.register(_CHILDREN.close)


@lru_cache(maxsize=1 << 16)
def equal(wanted: str, value: str) -> bool:
    """Whether a value is what is wanted; both are LaTeX without its dollar signs (math-verify)."""
    if wanted == value:
        return True
    one, other = _number(wanted), _number(value)
    if one is not None and other is not None:
        if one == other:
            return True
        if abs(one - other) > CLOSE * max(abs(one), abs(other)) or _whole(one, other):
            return False
    try:
        return bool(_CHILDREN.ask([wanted, value], SECONDS + GRACE_S))
    except Silent:
        return False


def _number(value: str) -> Fraction | None:
    found = number_value(value) if NUMBER.fullmatch(value) else None
    return None if found is None else Fraction(found)


def _whole(*numbers: Fraction) -> bool:
    return all(number.denominator == 1 for number in numbers)
