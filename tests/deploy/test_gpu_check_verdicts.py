"""Verdict lines, the report, and the plan of the GPU check."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.gpu_check import machine, report
from deploy.gpu_check.plan import STEPS, choose, reason_to_skip
from deploy.gpu_check.verdicts import MAX_WHY, Outcome, Verdict, closing_line, exit_code, line

VERDICTS = st.builds(
    Verdict,
    st.sampled_from([step.name for step in STEPS]),
    st.sampled_from(Outcome),
    st.text(),
    st.floats(0, 9999),
)


@given(VERDICTS)
def test_a_verdict_is_one_line(verdict: Verdict) -> None:
    shown = line(verdict)

    assert len(shown.splitlines()) == 1
    assert shown.startswith(f"{verdict.outcome.value} ")
    assert verdict.step in shown
    assert len(shown) < MAX_WHY + 60


def test_lines_stand_in_columns() -> None:
    kernels = Verdict("kernels", Outcome.FAILED, "rms_norm is\noff by 3", 4.06)

    assert line(kernels) == "FAILED   kernels                  4.1 s  rms_norm is off by 3"
    assert (
        line(Verdict("mixture", Outcome.SKIPPED, "needs a GPU"))
        == "skipped  mixture                  0.0 s  needs a GPU"
    )


@given(st.lists(VERDICTS))
def test_the_exit_code_is_0_exactly_where_something_ran_and_nothing_failed(
    verdicts: list[Verdict],
) -> None:
    failed = sum(verdict.outcome is Outcome.FAILED for verdict in verdicts)
    skipped = sum(verdict.outcome is Outcome.SKIPPED for verdict in verdicts)
    ran = skipped < len(verdicts)

    assert exit_code(verdicts) == (0 if ran and not failed else 1)
    said = closing_line(verdicts, 12.3)
    assert (f"{failed} failed" if ran else "nothing was checked") in said


@given(st.lists(VERDICTS), st.booleans())
def test_a_report_is_json_and_passes_only_when_it_is_whole(
    verdicts: list[Verdict], finished: bool
) -> None:
    tree = json.loads(
        json.dumps(report.as_tree({"cores": 2}, {"jobs": 1}, verdicts, 1.25, finished=finished))
    )

    assert [step["step"] for step in tree["steps"]] == [verdict.step for verdict in verdicts]
    assert {step["outcome"] for step in tree["steps"]} <= {"ok", "failed", "skipped"}
    assert tree["passed"] == (finished and exit_code(verdicts) == 0)
    assert tree["machine"] == {"cores": 2}
    assert tree["limits"] == {"jobs": 1}


def test_a_report_replaces_the_last_one_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(path, {"steps": ["a"] * 100})
    report.write(path, {"steps": []})

    assert json.loads(path.read_text()) == {"steps": []}
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_names_are_unique_and_what_a_step_uses_comes_before_it() -> None:
    names = [step.name for step in STEPS]

    assert len(set(names)) == len(names)
    for place, step in enumerate(STEPS):
        assert set(step.after) <= set(names[:place])


def test_every_step_has_its_module() -> None:
    folder = Path(report.__file__).parent / "steps"

    assert {step.module for step in STEPS} == {
        path.stem for path in folder.glob("*.py") if path.stem != "__init__"
    }


def test_a_chosen_step_brings_what_it_uses_and_nothing_else() -> None:
    assert [step.name for step in choose(["fusion"])] == ["checkpoints", "fusion"]
    assert choose([]) == STEPS
    with pytest.raises(ValueError, match="no step is called speed; there are: environment, "):
        choose(["kernels", "speed"])


def test_a_step_is_skipped_for_want_of_a_gpu_or_a_module() -> None:
    steps = {step.name: step for step in STEPS}
    everything = dict.fromkeys(("torch", "vllm", "ray", "vllm.vllm_flash_attn"), True)
    no_ray = {**everything, "ray": False}

    assert reason_to_skip(steps["mixture"], True, everything) == "needs a GPU"
    assert reason_to_skip(steps["mixture"], False, everything) is None
    assert reason_to_skip(steps["service"], False, no_ray) == "needs ray, not installed here"
    assert reason_to_skip(steps["slot"], True, no_ray) is None


def test_modules_are_found_without_importing_them() -> None:
    found = machine.present(["json", "json.decoder", "json.none", "no_such_module", "no_such.one"])

    assert found == {
        "json": True,
        "json.decoder": True,
        "json.none": False,
        "no_such_module": False,
        "no_such.one": False,
    }


def test_the_rows_of_nvidia_smi_have_names() -> None:
    (first, second) = machine.parse_gpus(
        "NVIDIA H100 80GB HBM3, 81559 MiB, 4 MiB, 580.159.04, 9.0\n"
        "NVIDIA H100 80GB HBM3, 81559 MiB, 0 MiB, 580.159.04, 9.0\n"
    )

    assert first["name"] == "NVIDIA H100 80GB HBM3"
    assert first["compute_cap"] == "9.0"
    assert second["memory.used"] == "0 MiB"
