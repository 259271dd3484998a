"""Making the model: only a checkpoint that passed its check gets the name."""

from pathlib import Path

import pytest

from experts.errors import ServiceError
from experts.real import make


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces what fetches, converts and checks, and lists the modules that ran."""
    ran: list[str] = []

    def run(module: str, packages: Path, *arguments: str) -> None:
        ran.append(module)
        if module.endswith("convert"):
            Path(arguments[1]).mkdir(parents=True)
            (Path(arguments[1]) / "config.json").write_text("{}")

    monkeypatch.setattr(make, "fetch", lambda lock, packages: packages / "model.gguf")
    monkeypatch.setattr(make, "_run", run)
    return ran


def test_a_second_run_does_nothing(tmp_path: Path, steps: list[str]) -> None:
    said: list[str] = []
    for _ in range(2):
        make.make_model(tmp_path / "lock", tmp_path / "packages", tmp_path / "model", said.append)
    assert steps == ["experts.real.convert", "experts.real.check"]
    assert said[-2:] == [
        f"real: {tmp_path / 'model'} is ready",
        f"real: {tmp_path / 'model'} is there",
    ]


def test_a_model_that_fails_its_check_is_not_there(
    tmp_path: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = make._run

    def run(module: str, packages: Path, *arguments: str) -> None:
        if module.endswith("check"):
            raise ServiceError("no chat template")
        convert(module, packages, *arguments)

    monkeypatch.setattr(make, "_run", run)
    for _ in range(2):  # What the first try left does not stand in the second one's way.
        with pytest.raises(ServiceError, match="no chat template"):
            make.make_model(tmp_path / "lock", tmp_path, tmp_path / "model", lambda line: None)
    assert not (tmp_path / "model").exists()


def test_a_step_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"is not usable: .*no_such_module"):
        make._run("experts.real.no_such_module", tmp_path)
