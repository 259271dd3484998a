"""Programs meet their tests, and hostile ones can neither pass nor do harm."""

import os
import threading
import time
from pathlib import Path

import pytest

from evals.scoring.programs import sandbox
from evals.scoring.programs.sandbox import Limits, run_tests
from experts.errors import ConfigError

SHORT = Limits(seconds=20, cpu_seconds=2, memory_mb=256)
BOTH = pytest.mark.parametrize("namespaces", [True, False], ids=["own", "filter only"])

DIES = {
    "ends before the tests": "import sys; sys.exit(0)",
    "ends at once": "import os; os._exit(0)",
    "raises what is no Exception": "raise KeyboardInterrupt",
    "is no Python": "def f(: pass",
    "has a null": "\0",
    "reads its input": "input()",
    "never ends": "while True: pass",
    "recurses": "import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "takes memory": "x = 'x' * (3 << 30)",
    "takes memory step by step": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "forks": "import os; os.fork()",
    "forks for ever": "import os\nwhile True: os.fork()",
    "starts a program": "import subprocess; subprocess.run(['/bin/true'])",
    "starts a pool": "import multiprocessing as m; m.Process(target=print).start()",
    "kills its parent": "import os; os.kill(os.getppid(), 9)",
    "kills everybody": "import os; os.kill(-1, 9)",
    "kills by thread": "import ctypes as c, os\np = os.getppid()\n"
    "assert not c.CDLL(None).tgkill(p, p, 9)",
    "opens a socket": "import socket; socket.socket()",
    "opens a unix socket": "import socket; socket.socket(socket.AF_UNIX)",
    "fills one file": "open('a', 'wb').write(b'x' * (8 << 20))",
    "fills the disk": "for i in range(100): open(f'a{i}', 'wb').write(b'x' * (1 << 20))",
    "makes many files": "for i in range(5000): open(f'a{i}', 'w').close()",
    "raises its limits": "import resource as r; r.setrlimit(r.RLIMIT_CPU, (99, 99))",
    "unshares": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "reads its parent's secrets": "import os; open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "closes everything": "import os; os.closerange(3, 60); raise SystemExit",
}


@BOTH
@pytest.mark.parametrize("program", DIES.values(), ids=DIES.keys())
def test_a_program_that_does_no_good_does_not_pass(program: str, namespaces: bool) -> None:
    found = run_tests([program, "pass"], SHORT.model_copy(update={"namespaces": namespaces}))
    assert not found.passed
    assert found.why


@BOTH
def test_right_programs_pass_and_wrong_ones_say_why(namespaces: bool) -> None:
    limits = SHORT.model_copy(update={"namespaces": namespaces})
    program = "def f(x): return x + 1"
    assert run_tests([program, "assert f(1) == 2"], limits).passed
    wrong = run_tests([program, "assert f(1) == 3, 'not three'"], limits)
    assert (wrong.passed, wrong.why) == (False, "AssertionError: not three")


@BOTH
@pytest.mark.parametrize(
    "program",
    [
        "print('passed' * 100_000)",
        "import sys; sys.stdin.read()",
        "import threading; t = threading.Thread(target=print); t.start(); t.join()",
        "import asyncio; asyncio.run(asyncio.sleep(0))",
        "import numpy; assert numpy.ones(3).sum() == 3",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\nassert A(1) == A(1)",
        "import atexit, os; atexit.register(os._exit, 1)",
        "import random, math, re, json, collections, itertools, functools, heapq",
    ],
)
def test_what_programs_may_do(program: str, namespaces: bool) -> None:
    limits = Limits(seconds=30, namespaces=namespaces)
    found = run_tests([program, "pass"], limits)
    assert (found.passed, found.why) == (True, "")


FORGERS = (
    'for fd in range(3, 64):\n    try: os.write(fd, b\'{"passed": "00"}\\n\')\n'
    "    except OSError: pass\nos._exit(0)",
    "found = b''\nfor fd in range(3, 64):\n    try:\n        os.set_blocking(fd, False)\n"
    "        found += os.read(fd, 99)\n    except OSError: pass\n"
    "for fd in range(3, 64):\n    try: os.write(fd, b'{\"passed\": \"' + found + b'\"}\\n')\n"
    "    except OSError: pass\nos._exit(0)",
    'for fd in range(3, 64):\n    try: os.write(fd, b\'{"refused": "x"}\\n\')\n'
    "    except OSError: pass\nos._exit(0)",
    "for fd in range(3, 64):\n    try: os.write(fd, b'x' * 200_000)\n"
    "    except OSError: pass\nos._exit(0)",
)


@pytest.mark.parametrize("program", FORGERS)
def test_passing_cannot_be_claimed(program: str) -> None:
    limits = SHORT.model_copy(update={"seconds": 5.0})
    assert not run_tests([f"import os\n{program}", "assert False"], limits).passed


@BOTH
def test_files_outside_are_safe(tmp_path: Path, namespaces: bool) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    for statement in (
        f"os.remove({str(kept)!r})",
        f"shutil.rmtree({str(tmp_path)!r})",
        f"os.rename({str(kept)!r}, 'x')",
        f"os.chmod({str(tmp_path)!r}, 0)",
        f"os.truncate({str(kept)!r}, 0)",
        f"os.symlink('/', {str(tmp_path / 'link')!r})",
        f"open({str(kept)!r}, 'a').write('x')",
        "shutil.rmtree('..')",
    ):
        limits = SHORT.model_copy(update={"namespaces": namespaces})
        assert not run_tests([f"import os, shutil\n{statement}", "pass"], limits).passed
    assert kept.read_text() == "mine"
    assert os.listdir(tmp_path) == ["kept"]


def test_a_program_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_SECRET", "s")
    assert run_tests(["import os", "assert 'COTERIE_SECRET' not in os.environ"], SHORT).passed


def test_a_program_writes_into_a_small_folder_of_its_own() -> None:
    found = run_tests(["open('a', 'w').write('x')", "assert open('a').read() == 'x'"], SHORT)
    assert found.passed == found.own_namespaces


def test_time_on_the_clock_is_bounded() -> None:
    started = time.perf_counter()
    limits = SHORT.model_copy(update={"seconds": 1.0})
    assert not run_tests(["import time; time.sleep(60)"], limits).passed
    assert time.perf_counter() - started < 20


def test_several_threads_run_programs_at_once() -> None:
    found = [False] * 4

    def run(number: int) -> None:
        found[number] = run_tests([f"x = {number}", f"assert x == {number}"], SHORT).passed

    threads = [threading.Thread(target=run, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_where_nothing_confines_a_program_none_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "machine", lambda: None)
    with pytest.raises(ConfigError, match="Linux"):
        run_tests(["pass"], SHORT)


def test_large_programs_reach_the_child() -> None:
    assert run_tests([f"x = {'1' * 4000!r}\n" * 100, "assert x"], SHORT).passed
