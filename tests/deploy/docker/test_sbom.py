"""A bill of materials is held against CycloneDX's own schema."""

import json
import subprocess

import pytest
from repository import ROOT
from tools import tool

CHECKS = "import sys; from deploy.sbom import faults_of; print(len(faults_of(sys.stdin.read())))"
COMPONENT = {"type": "library", "name": "ray", "version": "2.60.0", "purl": "pkg:pypi/ray@2.60.0"}
BILL = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [COMPONENT]}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, 0),
        ({"components": [{"type": "library"}]}, 1),
        ({"components": [{**COMPONENT, "type": "libary"}]}, 1),
        ({"colour": "blue"}, 1),
    ],
)
def test_what_is_no_bill_is_found(change: dict[str, object], faults: int) -> None:
    done = subprocess.run(
        [str(tool("python")), "-W", "ignore", "-c", CHECKS],
        input=json.dumps(BILL | change),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(faults)), done.stderr
