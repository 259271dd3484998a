"""Which Python environments are made of, with candidates that differ in one thing from this one."""

import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

BUILT_HERE = {
    "sys.version_info": (3, 11, 7),
    "sys.base_prefix": "/opt/python",
    "sysconfig.get_config_vars()['CONFIG_ARGS']": "'--enable-optimizations' '--with-lto'",
    "sysconfig.get_path": "lambda name: HEADERS",
}
"""What a candidate says of itself where a test says nothing else."""
LACKS = {
    "version": {"sys.version_info": (3, 12, 1)},
    "venv": {"sys.modules['ensurepip']": None},
    "headers": {"sysconfig.get_path": "lambda name: '/nowhere'"},
    "optimizations": {"sysconfig.get_config_vars()['CONFIG_ARGS']": "'--enable-shared'"},
}
SCRIPT = """#!/bin/sh
[ "$1" != -I ] || shift
exec {real} -c "$(cat {code})" "$@"
"""


def _candidate(folder: Path, name: str, *lacks: str) -> str:
    """This Python as a program in the folder, with other answers to what it is asked of itself."""
    (folder / "Python.h").touch()
    said = BUILT_HERE | {what: value for one in lacks for what, value in LACKS[one].items()}
    lines = ["import runpy, sys, sysconfig", f"HEADERS = {str(folder)!r}"]
    for what, value in said.items():
        lines.append(f"{what} = {value if what == 'sysconfig.get_path' else repr(value)}")
    lines += ["del sys.argv[0]", "runpy.run_path(sys.argv[0], run_name='__main__')"]
    code = folder / f"{name}.code"
    code.write_text("\n".join(lines), encoding="utf-8")
    return _program(folder, name, SCRIPT.format(real=sys.executable, code=code))


def _program(folder: Path, name: str, script: str) -> str:
    file = folder / name
    file.write_text(script, encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def _chosen(folder: Path, *candidates: str, **given: str) -> tuple[int, str, list[str]]:
    """Exit code, what is printed, and the lines on stderr."""
    command = ["sh", str(ROOT / "deploy" / "python.sh"), *candidates]
    path = {"PATH": f"{folder}:/usr/bin:/bin", "NAME": "setup"}
    done = subprocess.run(command, env=path | given, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip(), done.stderr.splitlines()


def test_the_first_on_the_path_is_taken_where_it_lacks_nothing(tmp_path: Path) -> None:
    wanted = _candidate(tmp_path, "python3.11")
    assert _chosen(tmp_path) == (0, wanted, [])


@pytest.mark.parametrize(
    ("lacks", "why"),
    [
        ("version", "is not Python 3.11"),
        ("venv", "cannot make environments"),
        ("headers", "has no Python.h"),
        ("optimizations", "1.4 times the processor time"),
    ],
)
def test_one_that_lacks_something_gives_way_to_one_that_lacks_nothing(
    lacks: str, why: str, tmp_path: Path
) -> None:
    first = _candidate(tmp_path, "python3.11", lacks)
    best = _candidate(tmp_path, "better")
    code, path, (line,) = _chosen(tmp_path, "python3.11", best)
    assert (code, path) == (0, best)
    assert line.startswith(f"setup: {best} is taken: {first} ")
    assert why in line


def test_one_that_does_not_run_is_no_candidate(tmp_path: Path) -> None:
    shim = "#!/bin/sh\necho 'pyenv: python3.11: command not found' >&2\nexit 127\n"
    _program(tmp_path, "python3.11", shim)
    best = _candidate(tmp_path, "python3")
    code, path, (line,) = _chosen(tmp_path, "python3.11", "/nowhere/python3.11", "python3")
    assert (code, path) == (0, best)
    assert "does not run" in line


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (("headers",), ("optimizations",), "second"),
        (("headers", "optimizations"), ("headers",), "second"),
        (("optimizations",), ("optimizations",), "first"),
        (("version",), ("headers", "optimizations"), "second"),
    ],
)
def test_where_none_lacks_nothing_optimizations_are_given_up_before_headers(
    first: tuple[str, ...], second: tuple[str, ...], taken: str, tmp_path: Path
) -> None:
    both = {"first": first, "second": second}
    for name, lacks in both.items():
        _candidate(tmp_path, name, *lacks)
    code, path, lines = _chosen(tmp_path, "first", "second")
    assert (code, path) == (0, str(tmp_path / taken))
    costs = [
        line for line in lines if line.startswith(f"setup: {path} ") and "is taken" not in line
    ]
    assert len(costs) == len(both[taken])
    assert ("--enable-optimizations" in costs[-1]) == ("optimizations" in both[taken])
    assert any("python3.11-dev" in line for line in costs)


@pytest.mark.parametrize(
    ("lacks", "words"), [("version", "3.11 is needed"), ("venv", "python3.11-venv")]
)
def test_where_there_is_none_it_says_what_is_needed(lacks: str, words: str, tmp_path: Path) -> None:
    _candidate(tmp_path, "python3.11", lacks)
    code, path, (line,) = _chosen(tmp_path, "python3.11", "/nowhere/python3.11")
    assert (code, path) == (1, "")
    assert words in line
    assert "PYTHON=/path/to/python3.11" in line


def test_a_python_that_is_named_is_taken_whatever_else_there_is(tmp_path: Path) -> None:
    _candidate(tmp_path, "python3.11")
    mine = _candidate(tmp_path, "mine", "headers", "optimizations")
    assert _chosen(tmp_path, PYTHON=mine) == (0, mine, [])


@pytest.mark.parametrize("named", ["other", "/nowhere/python3.11"])
def test_a_python_that_is_named_and_of_another_version_is_refused(
    named: str, tmp_path: Path
) -> None:
    _candidate(tmp_path, "python3.11")
    _candidate(tmp_path, "other", "version")
    code, path, (line,) = _chosen(tmp_path, PYTHON=named)
    assert (code, path) == (1, "")
    assert line.startswith("setup: Python 3.11 is needed")
    assert named in line


def _made(environment: Path, **given: str) -> str:
    given |= {
        "NAME": "setup",
        "LOCK": "the lock",
        "VENV": str(environment),
        "PATH": "/usr/bin:/bin",
    }
    command = ["sh", "deploy/venv.sh"]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_environment_is_made_of_it_and_stays_once_it_is_there(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    assert f"{environment} of {sys.executable} from the lock" in _made(
        environment, PYTHON=sys.executable
    )
    ask = [str(environment / "bin" / "python"), "-c", "import sys; print(sys.base_prefix)"]
    home = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    assert home == sys.base_prefix

    settings = (environment / "pyvenv.cfg").stat()
    said = _made(environment, PYTHON="/nowhere/python3.11")
    assert f"stays on its Python ({sys.base_prefix})" in said
    assert (environment / "pyvenv.cfg").stat() == settings
