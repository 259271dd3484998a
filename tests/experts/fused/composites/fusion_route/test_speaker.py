"""Which numbers name an expert."""

import pytest

from experts.fused.composites.fusion_route.speaker import speaker


@pytest.mark.parametrize("logprob", [-1.0, -9003.0, -9999.0])
def test_a_number_that_names_nobody_is_refused(logprob: float) -> None:
    with pytest.raises(ValueError, match="stands for none of 2"):
        speaker(logprob, ["a", "b"])
