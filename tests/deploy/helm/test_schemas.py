"""Every manifest is one by Kubernetes' own schemas; those of operators by what of theirs is used.

The pods that an operator makes are held against Kubernetes' schema of a pod.
"""

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from chart import EVERYTHING, PLAIN, kinds, pod_specs, rendered, values
from tools import tool

VERSIONS = ("1.28.0", "1.34.0")
"""The oldest that Chart.yaml allows, and a new one."""
CUSTOM = json.loads((Path(__file__).parent / "custom_resources.json").read_text(encoding="utf-8"))
CHECKS = """
import json, sys, kubernetes_validate
for one in json.load(sys.stdin):
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except Exception as error:
            print(version, one["kind"], one["metadata"].get("name"), error.args[0])
"""


def _mistakes(manifests: list[dict[str, Any]]) -> str:
    """By the schemas that the package kubernetes-validate ships, unknown keys among them."""
    command = [str(tool("python")), "-c", CHECKS, *VERSIONS]
    done = subprocess.run(
        command, input=json.dumps(manifests), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", [PLAIN, EVERYTHING])
def test_kubernetes_knows_every_manifest(name: str) -> None:
    manifests = rendered(values(name))
    own = [one for one in manifests if one["kind"] not in CUSTOM]
    pods = [
        {"apiVersion": "v1", "kind": "Pod", **template}
        for template in pod_specs(manifests).values()
    ]
    assert len(pods) == 3
    assert _mistakes(own + pods) == ""


def test_a_mistake_would_be_found() -> None:
    (service,) = kinds(rendered(values(PLAIN)))["Service"]
    wrong, unknown = deepcopy(service), deepcopy(service)
    wrong["spec"]["ports"][0]["port"] = "http"
    unknown["spec"]["sesionAffinity"] = "None"
    assert "port" in _mistakes([wrong])
    assert "sesionAffinity" in _mistakes([unknown])


@pytest.mark.parametrize("name", [PLAIN, EVERYTHING])
def test_operators_know_what_is_theirs(name: str) -> None:
    own = [one for one in rendered(values(name)) if one["kind"] in CUSTOM]
    assert own
    for one in own:
        jsonschema.validate(one, CUSTOM[one["kind"]])


def test_a_mistake_in_what_is_an_operators_would_be_found() -> None:
    (cluster,) = kinds(rendered(values(PLAIN)))["RayCluster"]
    cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster, CUSTOM["RayCluster"])
