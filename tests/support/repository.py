"""Where the repository's files are, for tests that read some of them."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
