"""The prompts of the example configuration are those that the zoo's generalist was taught."""

import pytest
from repository import ROOT

from experts.zoo import formats

PROMPTS = ROOT / "examples" / "prompts"


@pytest.mark.parametrize(
    ("file", "taught"), [("keywords.txt", formats.KEYWORDS), ("synthesis.txt", formats.SYNTHESIS)]
)
def test_the_example_asks_as_the_generalist_was_taught(file: str, taught: str) -> None:
    assert (PROMPTS / file).read_text().removesuffix("\n") == taught
