"""Random events, driven as a pool would: whatever happens, the machine keeps its promises."""

from hypothesis import settings
from random_pool import Pool

Pool.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestPool = Pool.TestCase
