"""The documentation keeps its word: code runs, commands exist, paths lead somewhere."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from evals.cli.reference import docs
from evals.cli.reference.command_reference import command_line, leaves
from evals.fitting.fuse.contrast import ContrastFile
from evals.tasks.task import TaskSpec, load_task
from experts.components import load
from orchestrator.config.model import load_config

ROOT = Path(__file__).parent.parent
PACKAGES = ("experts", "routers", "aggregators", "orchestrator", "evals")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "experts/zoo/README.md"])
HISTORY = ("CHANGELOG.md", "log.md", "0011-rooms.md")
"""Pages that name what is no more."""
GROUPS = ("eval", "expert", "fuse", "outcomes", "router", "zoo")
"""Commands that have commands, which a sentence may name alone."""
RUN_FROM = ROOT / "examples"
"""Where whole configurations and fragments of the guides would stand."""


class Block(NamedTuple):
    """A fenced block; `kind` is its language, `note` the rest of its info string."""

    kind: str
    note: str
    text: str


def _blocks(page: Path) -> list[Block]:
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [Block(*info.partition(" ")[::2], text) for info, text in found]


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _pages_with(*kinds: str) -> list[Any]:
    return [
        pytest.param(page, id=_named(page))
        for page in PAGES
        if any(block.kind in kinds for block in _blocks(page))
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where blocks run: like the repository's root, with the files that the page writes."""
    place = tmp_path / "examples"
    shutil.copytree(RUN_FROM, place)
    (tmp_path / "experts").symlink_to(ROOT / "experts")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "my_pool":
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_block_says_what_it_is(page: Path) -> None:
    kinds = {block.kind for block in _blocks(page)}
    assert kinds <= {"python", "yaml", "json", "console", "text", "mermaid"}


@pytest.mark.parametrize("page", _pages_with("python", "yaml", "json"))
def test_code_runs(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    for block in _blocks(page):
        _save(block, folder)
        if block.kind == "python" and not block.note:
            exec(compile(block.text, _named(page), "exec"), names)
        if block.kind == "json":
            _check_json(block, folder)
        if block.kind == "yaml":
            for name in re.findall(r"\$\{env:(\w+)\}", block.text):
                monkeypatch.setenv(name, name.lower())
            _check_yaml(block, folder)


def _save(block: Block, folder: Path) -> None:
    """A block whose info string is a path is that file."""
    name = block.note
    if "." not in name:
        return
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def _check_json(block: Block, folder: Path) -> None:
    lines = block.text.splitlines() if block.note else [block.text]
    rows = list(map(json.loads, lines))
    if block.note and "question" in rows[0]:
        assert len(load_task(folder / block.note).rows) == len(rows)


def _check_yaml(block: Block, folder: Path) -> None:
    tree = yaml.safe_load(block.text)
    match block.note:
        case "whole":
            _validate(tree, folder)
        case "fragment":
            _validate(_merged(yaml.safe_load((RUN_FROM / "zoo.yaml").read_text()), tree), folder)
        case "task":
            TaskSpec.model_validate(tree)
        case "fusion":
            ContrastFile.model_validate(tree)
        case other:
            pytest.fail(f"a yaml block must be whole, fragment, task or fusion, not {other!r}")


def _validate(tree: Any, folder: Path) -> None:
    for section in ("routers", "aggregators"):
        for entry in tree.get(section, {}).values():
            if ":" in entry["type"]:
                assert load(entry["type"]).Config
    file = folder / "examples/guide.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert load_config(file)


def _merged(base: Any, more: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(more, dict):
        return more
    both = {key: _merged(base[key], more[key]) for key in base.keys() & more.keys()}
    return {**base, **more, **both}


@pytest.mark.parametrize("page", _pages_with("console"))
def test_commands_exist(page: Path, folder: Path) -> None:
    for block in _blocks(page):
        _save(block, folder)
        if block.kind == "console":
            for command in _commands(block):
                _check_command(command, runs=block.note == "run", block=block)


def _commands(block: Block) -> list[str]:
    joined = block.text.replace("\\\n", " ")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def _check_command(command: str, *, runs: bool, block: Block) -> None:
    words = shlex.split(command, comments=True)
    match Path(words[0]).name, words[1:]:
        case "coterie", arguments:
            _parse(arguments)
            if runs:
                _run(arguments, block)
        case "make", [target, *_]:
            assert re.search(rf"^{target}:.*##", (ROOT / "Makefile").read_text(), re.M), command
        case "python", ["-m", module, *_]:
            assert find_spec(module), command
        case ".ci/run", _:
            assert (ROOT / ".ci/run").exists()
        case program, _:
            assert program in ("curl", "git", "pip", "lm_eval", "inspect"), command


def _parse(arguments: list[str]) -> None:
    """Raise for a command, an argument or an option that there is not."""
    if arguments == ["--help"]:
        return
    (leaf, context), rest = _found(arguments)
    if "--help" not in rest:
        leaf.make_context(context.info_name, rest, parent=context.parent)


def _found(arguments: list[str]) -> tuple[tuple[Any, Any], list[str]]:
    """The command and its context, and the arguments that are left."""
    root = get_command(command_line())
    top = typer.Context(root, info_name="coterie")
    known = {context.command_path: (leaf, context) for leaf, context in leaves(root, top)}
    for count in (1, 2):
        if (found := known.get(" ".join(["coterie", *arguments[:count]]))) is not None:
            return found, arguments[count:]
    raise AssertionError(f"coterie {' '.join(arguments)}: no such command")


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in HISTORY], ids=_named)
def test_commands_in_sentences_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for command in re.findall(r"`coterie ([^`]+)`", text):
        words = shlex.split(command)
        if words == ["--help"] or (words[0] in GROUPS and len(words) == 1):
            continue
        (leaf, _), rest = _found(words)
        options = {name for parameter in leaf.params for name in parameter.opts}
        used = {word.partition("=")[0] for word in rest if word.startswith("-")}
        assert used - options == set(), f"coterie {command}"


def _run(arguments: list[str], block: Block) -> None:
    """Run a command that needs no engine; what the page shows of its output must be there."""
    done = CliRunner().invoke(command_line(), arguments)
    assert done.exit_code == 0, done.output
    printed = {" ".join(line.split()) for line in done.output.splitlines()}
    shown = block.text.replace("\\\n", " ").splitlines()
    wanted = {" ".join(line.split()) for line in shown if not line.startswith("$ ")}
    assert wanted - printed - {"..."} == set()


def test_reference_pages_are_fresh() -> None:
    assert docs.stale() == [], "run `make docs`"


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in HISTORY], ids=_named)
def test_paths_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)}|docs|examples|tests|deploy)/[\w./-]+)`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_tree_names_every_room(package: str) -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    (tree,) = [b.text for b in _blocks(ROOT / "docs/architecture.md") if f"{package}/ " in b.text]
    rooms = {p.parent.name for p in (ROOT / package).glob("*/*") if p.suffix in (".py", ".yaml")}
    start = tree.index(f"\n{package}/" if not tree.startswith(f"{package}/") else f"{package}/")
    part = re.split(r"\n(?=\S)", tree[start:].lstrip("\n"))[0]
    assert [room for room in sorted(rooms) if f"{room}/" not in part] == []
    assert text


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_ci_calls_what_a_developer_calls() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    commands = [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert "make check test" in commands
    assert "make check test" in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    targets = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [t for t in targets if f"\n{t.removeprefix('make ')}: " not in makefile] == []
