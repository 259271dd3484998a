"""How many examples a property gets: more than usual, but not where the quick profile asks for few.

A number in `settings` would hold in every profile, and `make test-fast` would run all of them.
"""

from hypothesis import settings

QUICK = 20
"""What the profile `quick` asks for; see conftest.py."""


def examples(count: int) -> settings:
    """`count` examples without a deadline; with the quick profile, no more than it allows."""
    allowed = settings.default.max_examples if settings.default is not None else count
    return settings(max_examples=min(count, QUICK) if allowed <= QUICK else count, deadline=None)
