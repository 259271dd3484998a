"""A solver may print; the standard output of a command stays its own."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np
import pytest

from routers.composition import mapping
from routers.composition.native_output import native_output_to_stderr


def in_c(words: bytes) -> None:
    ctypes.CDLL(None).puts(words)


def test_what_c_prints_goes_to_the_error_output(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with native_output_to_stderr():
        in_c(b"inside")
    in_c(b"after")
    ctypes.CDLL(None).fflush(None)
    print("end")
    assert capfd.readouterr() == ("before\nafter\nend\n", "inside\n")


def test_output_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), native_output_to_stderr():
        raise ZeroDivisionError
    os.write(1, b"back")
    assert capfd.readouterr().out == "back"


def test_the_solver_prints_nothing_there(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    milp = mapping.milp

    def talking(*words: Any, **keys: Any) -> Any:
        in_c(b"transformNewIntegerFeasibleSolution tries again")
        return milp(*words, **keys)

    monkeypatch.setattr(mapping, "milp", talking)
    values = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = mapping.Utilities(("a", "b"), values, np.array([0.5, 0.5]))
    assert mapping.solve(found, np.ones(2), total=1.0).total == 1.0
    out, err = capfd.readouterr()
    assert out == ""
    assert "tries again" in err
