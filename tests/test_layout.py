"""The rules that keep the repository readable, checked on every file that git knows."""

import ast
import re
import socket
import subprocess
import sys
from collections import Counter
from importlib.metadata import distributions
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("experts", "routers", "aggregators", "orchestrator", "evals")
MAX_FILE_LINES = 400
MAX_MEDIAN_LINES = 110
MAX_FUNCTION_LINES = 60
MAX_MODULES = 16
MAX_FILE_BYTES = 10 << 20
WRITTEN = (".py", ".md", ".sh", ".toml", ".yaml", ".yml")
"""Files that somebody writes; the others are data."""
HEAVY = ("ray", "vllm", "torch", "fastapi", "transformers")


def _git_files() -> list[Path]:
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


FILES = _git_files()
MODULES = [f for f in FILES if f.suffix == ".py" and f.relative_to(ROOT).parts[0] in PACKAGES]
TESTS = [f for f in FILES if f.suffix == ".py" and f.relative_to(ROOT).parts[0] == "tests"]
METHODS = ROOT / "experts" / "fused" / "folder" / "methods"
ROOMS = {module.parent for module in MODULES}


def test_there_is_something_to_check() -> None:
    assert {f.relative_to(ROOT).parts[0] for f in MODULES} == set(PACKAGES)
    assert TESTS


def test_no_file_is_long() -> None:
    written = [f for f in FILES if f.suffix in WRITTEN]
    assert {_named(f): _lines(f) for f in written if _lines(f) > MAX_FILE_LINES} == {}


def test_most_files_are_short() -> None:
    assert median(map(_lines, MODULES)) <= MAX_MEDIAN_LINES


def test_no_function_is_long() -> None:
    long = [
        f"{_named(file)}:{node.lineno} {node.name}"
        for file in (*MODULES, *TESTS)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_folder_is_crowded() -> None:
    modules = Counter(f.parent for f in (*MODULES, *TESTS) if f.name != "__init__.py")
    assert {_named(f): count for f, count in modules.items() if count > MAX_MODULES} == {}


@pytest.mark.parametrize("files", [MODULES, TESTS], ids=["packages", "tests"])
def test_every_module_opens_with_a_sentence(files: list[Path]) -> None:
    silent = []
    for file in files:
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        if not docstring.partition("\n")[0].endswith((".", "?")):
            silent.append(_named(file))
    assert silent == []


def test_every_folder_of_a_package_is_a_package() -> None:
    assert [_named(room) for room in ROOMS if not (room / "__init__.py").is_file()] == []


def test_what_a_package_points_to_exists() -> None:
    """Paths in the docstrings of packages, from the repository's root or from the package."""
    lost = []
    for room in ROOMS:
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
        for name in re.findall(r"`([\w./]+(?:\.py|/))`", text or ""):
            if not any((place / name).exists() for place in (ROOT, room)) and "METHOD" not in name:
                lost.append(f"{_named(room)}: {name}")
    assert lost == []


@pytest.mark.parametrize(
    "method",
    [module.stem for module in MODULES if module.parent == METHODS and module.stem != "__init__"],
)
def test_a_fused_method_is_found_from_each_of_its_parts(method: str) -> None:
    homes = [ROOT / package / method / "__init__.py" for package in ("routers", "aggregators")]
    (home,) = (path for path in homes if path.is_file())
    served = ROOT / "experts" / "fused" / "composites" / method
    there, back = (path.read_text(encoding="utf-8") for path in (home, served / "__init__.py"))
    assert f"`{_named(served)}/`" in there
    assert f"`{_named(METHODS / method)}.py`" in there
    assert f"`{_named(home.parent)}/`" in back
    assert {"mix.py", "model.py"} <= {path.name for path in served.iterdir()}


def test_no_package_among_the_tests() -> None:
    assert [_named(f) for f in TESTS if f.name == "__init__.py"] == []


def test_a_test_is_named_after_what_it_tests() -> None:
    """`tests/a/test_b.py` and `tests/a/test_b_more.py` are about `a/b.py` or the folder `a/b/`."""
    homeless = []
    for test in TESTS:
        folder = ROOT / test.parent.relative_to(ROOT / "tests")
        package = (*folder.relative_to(ROOT).parts, "")[0]
        if not test.name.startswith("test_") or package not in PACKAGES:
            continue
        about = test.stem.removeprefix("test_")
        known = {path.stem for path in (*MODULES, *ROOMS) if path.parent == folder}
        if not any(about == name or about.startswith(f"{name}_") for name in known):
            homeless.append(_named(test))
    assert homeless == []


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
