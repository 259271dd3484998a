"""The units are what systemd understands, ask for what there is, and can do little."""

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer
from repository import ROOT
from typer.main import get_command

from evals.cli.reference.command_reference import command_line, leaves

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
SETTINGS = (FOLDER / "environment.example").read_text(encoding="utf-8")
INSTALLED = "/opt/coterie/.venv/bin/"
MOST_EXPOSED = 2.5
"""Of `systemd-analyze security`: 10 is unsafe, 0 can do nothing at all."""


def _lines(unit: Path, key: str) -> list[str]:
    text = unit.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def _section(unit: Path, section: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit.read_text(encoding="utf-8"))
    assert section in parser
    return parser


def test_who_is_there() -> None:
    assert [unit.name for unit in UNITS] == [
        "coterie-gateway@.service",
        "coterie-ray-head.service",
        "coterie-ray-worker.service",
        "coterie.service",
    ]


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Copies that name programs of this environment, as it would be in /opt/coterie."""
    here = f"{Path(sys.executable).parent}/"
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace(INSTALLED, here)
        text = re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return [tmp_path / unit.name.replace("@.", "@8001.") for unit in UNITS]


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian's package systemd has it)")
    command = [program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_systemd_finds_no_mistake(units: list[Path]) -> None:
    done = _analyze("verify", "--man=no", "--recursive-errors=no", *map(str, units))
    ours = [line for line in done.stderr.splitlines() if "coterie" in line]
    assert (done.returncode, ours) == (0, [])


def test_a_mistake_would_be_found(units: list[Path]) -> None:
    broken = units[-1]
    broken.write_text(broken.read_text().replace("Type=notify", "Type=notfy\nNoSuchKey=1"))
    assert "NoSuchKey" in _analyze("verify", "--man=no", str(broken)).stderr


def test_who_gets_in_can_do_little(units: list[Path]) -> None:
    for unit in units:
        most = str(int(MOST_EXPOSED * 10))
        where = unit if "@" not in unit.name else unit.with_name("coterie-gateway@.service")
        done = _analyze(
            "security", "--offline=yes", f"--threshold={most}", "--no-pager", str(where)
        )
        told = done.stdout.strip().splitlines()
        assert done.returncode == 0, told[-1] if told else done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_commands_and_options_exist(unit: Path) -> None:
    (line,) = _lines(unit, "ExecStart")
    program, *arguments = line.split()
    assert program.startswith(INSTALLED)
    assert (Path(sys.executable).parent / Path(program).name).exists()
    if program.endswith("/coterie"):
        root = get_command(command_line())
        known = {
            context.command_path: (leaf, context)
            for leaf, context in leaves(root, typer.Context(root, info_name="coterie"))
        }
        leaf, context = known[f"coterie {arguments[0]}"]
        given = [word.replace("%i", "8001") for word in arguments[1:]]
        leaf.make_context(context.info_name, given, parent=context.parent)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_variable_is_one_that_the_environment_has(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    settings = {line.partition("=")[0] for line in SETTINGS.splitlines() if "=" in line}
    own = {pair.partition("=")[0] for line in _lines(unit, "Environment") for pair in line.split()}
    assert {*re.findall(r"\$\{(\w+)\}", text)} <= settings | own
    assert _lines(unit, "EnvironmentFile")[0].removeprefix("-") == "/etc/coterie/environment"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_service_that_is_told_to_stop_has_the_time_it_needs(unit: Path) -> None:
    service = _section(unit, "Service")["Service"]
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"].removesuffix("s")) >= 60
    assert int(service["LimitNOFILE"]) >= 4096 + 1024 + 512
    assert service["User"] == "coterie"


def test_services_that_serve_say_when_they_are_ready() -> None:
    types = {unit.name: _section(unit, "Service")["Service"]["Type"] for unit in UNITS}
    assert {name for name, kind in types.items() if kind == "notify"} == {
        "coterie.service",
        "coterie-gateway@.service",
    }


def test_gateways_share_the_folder_of_ray() -> None:
    gateway = _section(FOLDER / "coterie-gateway@.service", "Unit")
    shared = gateway["Unit"]["JoinsNamespaceOf"].split()
    assert {*shared} == {"coterie-ray-head.service", "coterie-ray-worker.service"}
    for name in ("coterie-gateway@.service", *shared):
        assert _section(FOLDER / name, "Service")["Service"]["PrivateTmp"] == "yes"


def test_a_cluster_always_has_a_token() -> None:
    for name in ("coterie-ray-head.service", "coterie-ray-worker.service"):
        (environment,) = [e for e in _lines(FOLDER / name, "Environment") if "RAY_AUTH" in e]
        assert "RAY_AUTH_MODE=token" in environment
        assert _lines(FOLDER / name, "EnvironmentFile") == ["/etc/coterie/environment"]
