"""What the lines of /proc/cpuinfo say about bfloat16, and what `slots.gpus` means."""

import pytest

from experts.footprint.device import expected, has_bf16, on_gpus


@pytest.mark.parametrize(
    ("line", "quick"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16 amx_tile", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("model name\t: a machine with bf16 in its name", False),
    ],
)
def test_bfloat16_is_a_flag_of_the_cpu(line: str, quick: bool) -> None:
    assert has_bf16(["processor\t: 0", line]) is quick


def test_no_gpus_mean_this_cpu_and_two_mean_two() -> None:
    assert expected(0).kind == "cpu"
    assert expected(2).gpus == 2
    assert on_gpus(0.5).gpus == 1
