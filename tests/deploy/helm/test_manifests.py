"""What the chart makes of its values fits together, and keeps what the guide promises."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from chart import EVERYTHING, PLAIN, at, kinds, linted, pod_specs, rendered, values
from dockerfile import DOCKERFILE, stages
from repository import ROOT

from orchestrator.config.model import load_config

BOTH = [PLAIN, EVERYTHING]
Manifests = list[dict[str, Any]]


@pytest.fixture(params=BOTH)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    return rendered(values(request.param))


def _labels(template: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = template["metadata"]["labels"]
    return found


@pytest.mark.parametrize("name", BOTH)
def test_helm_lints_it(name: str) -> None:
    report = linted(values(name))
    assert report["errors"] in (None, [])
    # An icon is all that it misses.
    assert [m for m in report["messages"] or () if "icon" not in m["error"]] == []


def test_which_kinds_there_are() -> None:
    always = {"ConfigMap", "Deployment", "RayCluster", "Service", "PodDisruptionBudget"}
    plain, everything = (kinds(rendered(values(name))) for name in BOTH)
    assert {*plain} == always | {"NetworkPolicy", "Secret", "PersistentVolumeClaim"}
    assert {*everything} == always | {"NetworkPolicy", "HorizontalPodAutoscaler", "ServiceMonitor"}


def test_everything_has_a_name_of_its_own_and_says_where_it_is_from(manifests: Manifests) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len({*names}) == len(names)
    for one in manifests:
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "llm"
        assert len(one["metadata"]["name"]) <= 63


def test_selectors_find_the_pods_that_they_mean(manifests: Manifests) -> None:
    pods, found = pod_specs(manifests), kinds(manifests)
    gateway = _labels(pods["gateway"]).items()
    (service,), (deployment,) = found["Service"], found["Deployment"]
    (budget,) = found["PodDisruptionBudget"]
    assert service["spec"]["selector"].items() <= gateway
    assert deployment["spec"]["selector"]["matchLabels"].items() <= gateway
    assert budget["spec"]["selector"]["matchLabels"].items() <= gateway
    for monitor in found.get("ServiceMonitor", ()):
        labels = service["metadata"]["labels"].items()
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    for scaler in found.get("HorizontalPodAutoscaler", ()):
        assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
        assert "replicas" not in deployment["spec"], "the scaler says how many"


def test_the_service_leads_to_the_port_that_the_pool_has(manifests: Manifests) -> None:
    pool = _pool(manifests)
    (container,) = pod_specs(manifests)["gateway"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (service,) = kinds(manifests)["Service"]
    assert ports[service["spec"]["ports"][0]["targetPort"]] == pool["server"]["port"]
    assert pool["server"]["host"] == "0.0.0.0"  # noqa: S104 (nothing listens)


def _pool(manifests: Manifests) -> dict[str, Any]:
    (config,) = kinds(manifests)["ConfigMap"]
    found: dict[str, Any] = yaml.safe_load(config["data"]["pool.yaml"])
    return found


def test_the_pool_is_what_was_given_and_joins_the_cluster() -> None:
    given = values(EVERYTHING)["pool"]
    pool = _pool(rendered(values(EVERYTHING)))
    assert pool["ray"] == {"address": "auto", "pool": "llm-coterie"}
    assert {name: pool[name] for name in given if name != "server"} == {
        name: given[name] for name in given if name != "server"
    }
    assert given["server"].items() <= pool["server"].items()


def test_the_pool_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_ZOO", str(ROOT / "experts/zoo"))
    for name, value in values(PLAIN)["secret"]["values"].items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "pool.yaml"
    (config,) = kinds(rendered(values(PLAIN)))["ConfigMap"]
    file.write_text(config["data"]["pool.yaml"], encoding="utf-8")
    assert load_config(file).ray.pool == "llm-coterie"


def test_pods_can_do_little(manifests: Manifests) -> None:
    (user,) = stages(DOCKERFILE.read_text(encoding="utf-8"))[1][-1].all("USER")
    for template in pod_specs(manifests).values():
        spec = template["spec"]
        security = spec["securityContext"]
        assert f"{security['runAsUser']}:{security['runAsGroup']}" == user
        assert security["runAsNonRoot"]
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"]
            assert not own["allowPrivilegeEscalation"]
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_what_is_mounted_is_there_and_what_is_there_is_mounted(manifests: Manifests) -> None:
    for component, template in pod_specs(manifests).items():
        spec = template["spec"]
        volumes = [volume["name"] for volume in spec["volumes"]]
        mounts = [one for c in spec["containers"] for one in c["volumeMounts"]]
        assert sorted(volumes) == sorted({one["name"] for one in mounts}), component
        assert {"/tmp", "/home/coterie", "/dev/shm"} <= {one["mountPath"] for one in mounts}


def test_every_node_has_the_token(manifests: Manifests) -> None:
    secret = {s["metadata"]["name"] for s in kinds(manifests).get("Secret", ())} or {
        "coterie-secrets"
    }
    containers = [c for t in pod_specs(manifests).values() for c in t["spec"]["containers"]]
    (cluster,) = kinds(manifests)["RayCluster"]
    containers += filter(None, [cluster["spec"].get("autoscalerOptions")])
    for container in containers:
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]
        assert {one["secretRef"]["name"] for one in container["envFrom"]} == secret


def test_no_secret_is_made_where_one_is_there() -> None:
    assert "Secret" not in kinds(rendered(values(EVERYTHING)))
    (made,) = kinds(rendered(values(PLAIN)))["Secret"]
    assert made["stringData"] == values(PLAIN)["secret"]["values"]


def test_a_gateway_has_the_time_that_its_answers_need(manifests: Manifests) -> None:
    spec = pod_specs(manifests)["gateway"]["spec"]
    server = _pool(manifests)["server"]
    drain_s, notice_s = server["drain_timeout_s"], server.get("drain_notice_s", 0)
    hook = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert hook[2] == f"http://127.0.0.1:{server['port']}"
    assert float(hook[3]) == drain_s
    assert spec["terminationGracePeriodSeconds"] >= notice_s + 2 * drain_s + 10


def test_probes_ask_what_the_service_answers(manifests: Manifests) -> None:
    (container,) = pod_specs(manifests)["gateway"]["spec"]["containers"]
    paths = {
        kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")
    }
    assert paths == {"liveness": "/health/liveness", "readiness": "/health/readiness"}
    for component, process in (("ray-head", "gcs_server"), ("ray-worker", "raylet")):
        (container,) = pod_specs(manifests)[component]["spec"]["containers"]
        for kind in ("startup", "liveness", "readiness"):
            command = container[f"{kind}Probe"]["exec"]["command"]
            assert command == ["python", "/usr/local/lib/coterie/health.py", process]


@pytest.mark.parametrize(
    ("name", "scales", "gpus", "nodes"),
    [(PLAIN, False, None, (1, 1, 1)), (EVERYTHING, True, "1", (2, 1, 8))],
)
def test_the_cluster(
    name: str, scales: bool, gpus: str | None, nodes: tuple[int, int, int]
) -> None:
    (cluster,) = kinds(rendered(values(name)))["RayCluster"]
    spec = cluster["spec"]
    assert spec.get("enableInTreeAutoscaling", False) is scales
    (group,) = spec["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"], group["maxReplicas"]) == nodes
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"].get("nvidia.com/gpu") == gpus
    assert group["rayStartParams"]["num-gpus"] == (gpus or "0")
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert all(isinstance(v, str) for v in group["rayStartParams"].values())


def test_gateways_know_the_head_by_the_name_that_kuberay_gives_its_service(
    manifests: Manifests,
) -> None:
    (cluster,) = kinds(manifests)["RayCluster"]
    (container,) = pod_specs(manifests)["gateway"]["spec"]["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert given["RAY_HEAD"] == f"{cluster['metadata']['name']}-head-svc:6379"


def test_a_very_long_release_name_still_fits() -> None:
    name = "a" * 53
    for one in rendered(values(EVERYTHING), release=name):
        assert len(one["metadata"]["name"]) <= 63
    (cluster,) = kinds(rendered(values(PLAIN), release=name))["RayCluster"]
    # KubeRay refuses longer ones: it adds to them.
    assert len(cluster["metadata"]["name"]) <= 47


def test_only_a_cluster_that_scales_reaches_the_api_server() -> None:
    def policies(name: str) -> set[str]:
        return {p["metadata"]["name"] for p in kinds(rendered(values(name)))["NetworkPolicy"]}

    assert policies(EVERYTHING) - policies(PLAIN) == {"llm-coterie-autoscaler"}


def test_clients_that_are_named_are_the_only_ones() -> None:
    (policy,) = [
        p
        for p in kinds(rendered(values(EVERYTHING)))["NetworkPolicy"]
        if p["metadata"]["name"].endswith("-clients")
    ]
    (rule,) = policy["spec"]["ingress"]
    given = values(EVERYTHING)["networkPolicy"]
    assert rule["from"] == [*given["clients"], *given["monitoring"]]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("ray.workers.minReplicas", 5, "minReplicas <= replicas <= maxReplicas"),
        ("ray.workers.replicas", 9, "minReplicas <= replicas <= maxReplicas"),
        ("gateways.autoscaling.minReplicas", 9, "minReplicas <= maxReplicas"),
        ("image.tag", "latest", "tag"),
        ("gateways.replica", 2, "replica"),
    ],
)
def test_what_does_not_fit_together_is_refused(path: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rendered(values(EVERYTHING, at(path, value)))
