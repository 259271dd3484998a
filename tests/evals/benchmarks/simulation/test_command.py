"""`coterie simulate` from its arguments to its exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

from evals.cli.main import main

CONFIG = ROOT / "examples" / "zoo.yaml"
SMALL = ["--slots", "1", "--fits", "2", "--experts", "5", "--requests", "300"]


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["coterie", "simulate", "-c", str(CONFIG), *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_a_small_simulation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "study.json"

    assert _run(monkeypatch, *SMALL, "--rate", "20", "--age-bound", "3", "--json", str(out)) == 0

    printed = capsys.readouterr().out
    assert "5 experts on 1 slots that fit 2 each; 300 requests, 20 a second" in printed
    assert "Age bound 3 s" in printed
    names = ["first come + LRU", "llama-swap's collation", "ours", "Belady (knows the trace)"]
    tree = json.loads(out.read_text(encoding="utf-8"))
    assert [result["name"] for result in tree["results"]] == names
    assert all(f"\n{name} " in printed for name in names)


def test_a_trace_from_a_file_all_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "trace.jsonl"
    rows = [{"at_s": 1, "expert": name, "class": "batch"} for name in ("law", "art", "law")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    assert _run(monkeypatch, "--trace", str(path), "--slots", "1", "--fits", "1") == 0

    printed = capsys.readouterr().out
    assert "2 experts on 1 slots that fit 1 each; 3 requests, all at once." in printed


def test_requests_of_several_stages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "study.json"

    assert _run(monkeypatch, *SMALL, "--trace", "tagged", "--json", str(out)) == 0

    printed = capsys.readouterr().out
    assert "Each request takes a tagger's five samples, a panel of three, then a lead." in printed
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    names = ["ours", "without prefetch", "nothing announced", "a load per request"]
    assert [result["name"] for result in results] == names
    assert results[0]["loads"] < results[3]["loads"]
    assert all(f"\n{name} " in printed for name in names)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--trace", "panel", "--plot", "picture.svg"], "error: --plot draws traces of single"),
        (["--trace", "missing.jsonl"], "error: missing.jsonl cannot be read"),
        (["--plot", "picture.gif"], "error: --plot picture.gif"),
    ],
)
def test_what_is_wrong_is_one_message(
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run(monkeypatch, *SMALL, *arguments) == 2
    assert capsys.readouterr().err.startswith(says)


def test_the_command_line_does_not_wait_for_simulations_and_pictures() -> None:
    late = "{'evals.benchmarks.simulation.runs', 'matplotlib'}"
    program = f"import sys, evals.cli.main; print({late} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, encoding="utf-8"
    )
    assert printed.stdout == "set()\n"
