"""What the process prints that joins a cluster; a real one is in tests/e2e/cluster."""

import json

import pytest

from orchestrator.cli.doctor.join import main


def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    main("nonsense")
    told = json.loads(capsys.readouterr().out)
    assert told["nodes"] == []
    assert "nonsense is not HOST:PORT" in told["trouble"]
