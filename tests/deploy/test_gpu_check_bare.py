"""Starting the GPU check where nothing is installed."""

import json
import os
import sys
import tarfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from deploy.gpu_check import bare


def archive(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """Pack files without the modes of programs, as wheels have them."""
    source = folder / f"{name}-source"
    for path, content in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    packed = folder / f"{name}.tar.xz"
    with tarfile.open(packed, "w:xz") as target:
        for path in files:
            target.add(source / path, path)
    return packed


@pytest.fixture
def archives(tmp_path: Path) -> tuple[Path, Path]:
    return (
        archive(tmp_path, "a", {"vllm/__init__.py": b""}),
        archive(tmp_path, "b", {
            "ray/__init__.py": b"",
            "ray/core/gcs_server": b"\x7fELF program",
            "ray/core/notes": b"text",
            "ray/_raylet.so": b"\x7fELF library",
        }),
    )  # fmt: skip


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Path, list[str]]]:
    """The calls of `check`, which is not run."""
    calls: list[tuple[Path, Path, list[str]]] = []

    def check(out: Path, kit: Path, passed: list[str]) -> int:
        calls.append((out, kit, list(passed)))
        return 7

    monkeypatch.setattr(bare, "check", check)
    monkeypatch.setattr(bare, "PYTHON", sys.version_info[:2])
    return calls


def test_the_two_calls(
    tmp_path: Path, archives: tuple[Path, Path], checked: list[tuple[Path, Path, list[str]]]
) -> None:
    first, second = archives
    kit, out = tmp_path / "kit", tmp_path / "out"
    words = ["--kit", str(kit), "--out", str(out), str(first), str(second)]
    hidden = second.rename(tmp_path / "away")

    assert bare.main(words) == 7
    hidden.rename(second)
    first.unlink()  # The second call brings the second archive only.
    assert bare.main(words) == 7
    assert bare.main([*words, "--", "--only", "slot"]) == 7
    assert checked == [
        (out, kit, ["--only", "environment"]),
        (out, kit, []),
        (out, kit, ["--only", "slot"]),
    ]


def test_programs_can_run_and_nothing_else_changes(
    tmp_path: Path, archives: tuple[Path, Path]
) -> None:
    bare.unpack(archives, tmp_path / "kit")

    ray = tmp_path / "kit" / "ray"
    assert os.access(ray / "core" / "gcs_server", os.X_OK)
    assert not (ray / "core" / "notes").stat().st_mode & 0o111
    assert not (ray / "_raylet.so").stat().st_mode & 0o111


def test_vllm_finds_our_plugin(tmp_path: Path) -> None:
    bare.write_plugin(tmp_path)

    (found,) = distributions(path=[str(tmp_path)])
    assert found.metadata["Name"] == "coterie"
    (entry,) = found.entry_points.select(group="vllm.general_plugins")
    assert (entry.name, entry.value) == ("coterie", "experts.fused.composites.plugin:register")


def test_without_vllm_it_says_what_is_missing(
    tmp_path: Path, checked: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bare.main(["--kit", str(tmp_path / "kit"), str(tmp_path / "a.tar.xz")]) == 2
    assert "there is no vLLM in" in capsys.readouterr().err
    assert not checked


def test_another_python_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bare, "PYTHON", (2, 7))

    assert bare.main(["--kit", str(tmp_path)]) == 2
    assert "need Python 2.7" in capsys.readouterr().err


def test_the_kit_comes_before_everything_else_and_set_variables_stay(tmp_path: Path) -> None:
    found = bare.environment(tmp_path, {"PYTHONPATH": "/before", "VLLM_HOST_IP": "10.0.0.1"})

    assert found["PYTHONPATH"].split(os.pathsep) == [str(tmp_path), str(bare.ROOT), "/before"]
    assert found["VLLM_HOST_IP"] == "10.0.0.1"
    assert found["HF_HUB_OFFLINE"] == "1"


def test_a_run_leaves_report_and_logs_in_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "kit" / "deploy" / "gpu_check"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import json, pathlib, sys\n"
        "out = pathlib.Path(sys.argv[2])\n"
        "(out / 'report.json').write_text(json.dumps(sys.argv[3:]))\n"
        "(out / 'slot.log').write_text('line')\n"
        "sys.exit(3)\n"
    )
    monkeypatch.setattr(bare, "ROOT", tmp_path)
    handlers = {number: bare.signal.getsignal(number) for number in (2, 15)}
    try:
        assert bare.check(tmp_path / "out", tmp_path / "kit", ["--only", "slot"]) == 3
    finally:
        for number, handler in handlers.items():
            bare.signal.signal(number, handler)

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "logs.tar.gz",
        "report.json",
    ]
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == ["--only", "slot"]
    with tarfile.open(tmp_path / "out" / "logs.tar.gz") as packed:
        assert packed.getnames() == ["slot.log"]


def test_vllm_does_without_flashinfer_where_it_is_missing(tmp_path: Path) -> None:
    assert bare.environment(tmp_path, {})["VLLM_USE_FLASHINFER_SAMPLER"] == "0"
    (tmp_path / "flashinfer").mkdir()
    assert "VLLM_USE_FLASHINFER_SAMPLER" not in bare.environment(tmp_path, {})
