"""`coterie size` from its arguments to its exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.cli.main import main

EXPERTS = 12


@pytest.fixture
def pool_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve experts of 17 GB, and no store that has measured them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    lines = [
        f"  e{n:02d}: {{type: vllm, model: acme/e{n:02d}, memory_gb: 17}}" for n in range(EXPERTS)
    ]
    path = tmp_path / "pool.yaml"
    path.write_text("experts:\n" + "\n".join(lines) + "\nstore: memory\n", encoding="utf-8")
    return path


def run(monkeypatch: pytest.MonkeyPatch, pool_file: Path, *arguments: str) -> int:
    words = ["coterie", "size", "-c", str(pool_file), "--gpu-memory", "80", *arguments]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def trace(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_drawn_traffic_is_sized_told_drawn_and_written(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pool_file: Path,
    tmp_path: Path,
) -> None:
    out, picture = tmp_path / "new" / "sizing.json", tmp_path / "picture.svg"
    words = ["--rate", "1", "--minutes", "5", "--p95", "2", "--json", str(out)]
    assert run(monkeypatch, pool_file, *words, "--plot", str(picture)) == 0

    printed = capsys.readouterr().out
    assert "12 engines of 17 GB, 204 GB together; a GPU has 72 GB for them" in printed
    assert "\n3 GPUs are enough: 95 % of the calls of class interactive begin at once" in printed
    assert "With 2 GPUs, memory is what limits" in printed
    assert "slots:\n  count: 3\n  gpus: 1\n  memory_gb: 72\n" in printed
    assert "measured for 0 of 12 engines" in printed
    tree = json.loads(out.read_text(encoding="utf-8"))
    assert (tree["enough"], tree["gpus"], tree["limit"]) == (3, 3, "memory")
    assert [row["slots"] for row in tree["rows"]] == [1, 2, 3, 4]
    assert [row["enough"] for row in tree["rows"]] == [False, False, True, True]
    assert picture.read_text(encoding="utf-8").startswith("<?xml")


def test_a_trace_says_what_it_waited_and_twice_as_much_needs_more(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pool_file: Path,
    tmp_path: Path,
) -> None:
    rows = [
        {
            "time": 10.0 + number,
            "total_ms": 1100.0,
            "calls": [
                {
                    "expert": f"e0{number % 3}",
                    "began_at_ms": 0.0,
                    "queue_ms": 100.0,
                    "ended_at_ms": 1100.0,
                    "slot": "slot-0",
                    "usage": {"prompt_tokens": 10, "completion_tokens": 100},
                }
            ],
        }
        for number in range(60)
    ]
    file = trace(tmp_path / "traces.jsonl", *rows)
    assert run(monkeypatch, pool_file, "--trace", file) == 0
    printed = capsys.readouterr().out
    assert "\n1, real" in printed
    assert "100 tokens/s, as the trace has measured 3 of 3 experts, on" in printed
    assert "1 GPU is enough" in printed

    assert run(monkeypatch, pool_file, "--trace", file, "--times", "2", "--batching", "1") == 0
    printed = capsys.readouterr().out
    assert "taken 2 times" in printed
    assert "compute is what limits" in printed
    assert ", real" not in printed


def test_where_nothing_is_enough_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pool_file: Path
) -> None:
    words = ["--rate", "2", "--minutes", "2", "--p95", "interactive=1", "--most", "1"]
    assert run(monkeypatch, pool_file, *words) == 1
    assert "1 GPU are not enough" not in (printed := capsys.readouterr().out)
    assert "1 GPU is not enough, and no more were tried (--most)." in printed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Give --trace FILE, or --rate"),
        (["--rate", "1", "--trace", "t.jsonl"], "Give --trace FILE, or --rate"),
        (["--trace", "missing.jsonl"], "missing.jsonl cannot be read"),
        (["--rate", "1", "--p95", "rush=3"], "no class is called `rush`"),
        (["--rate", "1", "--p95", "soon"], "--p95 soon: give seconds"),
        (["--rate", "1", "--plot", "picture.gif"], "--plot picture.gif"),
        (["--rate", "1", "--gpu-memory", "12"], "has 12 mistakes"),
    ],
)
def test_what_is_wrong_is_one_message(
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pool_file: Path,
) -> None:
    assert run(monkeypatch, pool_file, *words) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert says in printed


def test_a_class_without_a_bound_needs_a_wish(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pool_file: Path,
    tmp_path: Path,
) -> None:
    rows = [{"time": n, "expert": "e00", "class": "batch"} for n in range(5)]
    file = trace(tmp_path / "traces.jsonl", *rows)
    assert run(monkeypatch, pool_file, "--trace", file) == 2
    assert "--p95 batch=60" in capsys.readouterr().err
    assert run(monkeypatch, pool_file, "--trace", file, "--p95", "batch=60") == 0


def test_small_experts_that_stand_before_large_ones_cost_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pool_file: Path
) -> None:
    large = "  large: {type: vllm, model: acme/large, memory_gb: 70}\n"
    text = pool_file.read_text(encoding="utf-8").replace("store: memory\n", "")
    pool_file.write_text(f"{text}{large}", encoding="utf-8")
    words = ["--rate", "2", "--minutes", "2", "--p95", "0.1"]
    assert run(monkeypatch, pool_file, *words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "4 GPUs are enough" in printed


def test_slots_that_share_a_gpu_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pool_file: Path
) -> None:
    text = pool_file.read_text(encoding="utf-8")
    pool_file.write_text(f"{text}slots: {{gpus: 0.5}}\n", encoding="utf-8")
    assert run(monkeypatch, pool_file, "--rate", "1") == 2
    assert "slots that share a GPU are not simulated" in capsys.readouterr().err
