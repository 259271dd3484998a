"""The rules that keep the repository readable, checked on every file that git knows."""

import ast
import re
import socket
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("experts", "routers", "aggregators", "orchestrator", "evals")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_FILE_BYTES = 10 << 20
HEAVY = ("ray", "vllm", "torch", "fastapi", "transformers")


def _git_files() -> list[Path]:
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


FILES = _git_files()
MODULES = [f for f in FILES if f.suffix == ".py" and f.relative_to(ROOT).parts[0] in PACKAGES]
TESTS = [f for f in FILES if f.suffix == ".py" and f.relative_to(ROOT).parts[0] == "tests"]


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    assert {f.relative_to(ROOT).parts[0] for f in MODULES} == set(PACKAGES)
    assert TESTS


def test_no_file_is_long() -> None:
    lines = {_named(f): len(f.read_text(encoding="utf-8").splitlines()) for f in MODULES}
    assert {name: count for name, count in lines.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_long() -> None:
    long = [
        f"{_named(file)}:{node.lineno} {node.name}"
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("files", [MODULES, TESTS], ids=["packages", "tests"])
def test_every_module_opens_with_a_sentence(files: list[Path]) -> None:
    silent = []
    for file in files:
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        if not docstring.partition("\n")[0].endswith((".", "?")):
            silent.append(_named(file))
    assert silent == []


def test_no_package_among_the_tests() -> None:
    assert [_named(f) for f in TESTS if f.name == "__init__.py"] == []


def test_no_other_distribution_owns_our_names() -> None:
    ours = re.compile(rf"^({'|'.join(PACKAGES)})(\.py)?[/,]", re.MULTILINE)
    owners = {
        distribution.metadata["Name"]
        for distribution in distributions()
        if ours.search(distribution.read_text("RECORD") or "")
    }
    assert owners - {"coterie"} == set()


def test_no_file_is_large() -> None:
    large = [_named(f) for f in FILES if f.stat().st_size > MAX_FILE_BYTES]
    assert large == []


def test_a_test_can_not_reach_another_machine() -> None:
    with socket.socket() as outward, pytest.raises(RuntimeError, match="wants to connect"):
        outward.connect(("192.0.2.1", 80))


def test_the_pipeline_loads_nothing_heavy() -> None:
    program = (
        "import sys, orchestrator.request.pipeline\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
