"""Relative paths start at the file that names them."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from config_files import HUB, REMOTE, problems_of

from orchestrator.config.checks import missing_files
from orchestrator.config.model import load_config

FAR = {"experts": {"far": REMOTE}}


@pytest.mark.parametrize("model", ["./weights", "weights", "../{folder}/weights", "{path}"])
def test_model_paths_start_at_the_file(write: Any, weights: Path, model: str) -> None:
    name = model.format(folder=weights.parent.name, path=weights)
    config = load_config(write({"experts": {"near": {"type": "vllm", "model": name}}}))
    assert config.hosted()["near"].model == str(weights.resolve())


def test_a_hub_id_stays_as_it_is(write: Any) -> None:
    config = load_config(write({"experts": {"hub": HUB}}))
    assert config.hosted()["hub"].model == "org/model"


def test_the_model_of_a_remote_expert_is_no_path(write: Any, weights: Path) -> None:
    config = load_config(write({"experts": {"far": {**REMOTE, "model": "./weights"}}}))
    assert config.experts["far"].model == "./weights"  # type: ignore[union-attr]


def test_router_files_start_at_the_file(write: Any, tmp_path: Path) -> None:
    path = write(
        {"experts": {"far": REMOTE}, "routers": {"k": {"type": "knn", "outcomes": "o.parquet"}}}
    )
    assert load_config(path).routers["k"]["outcomes"] == str((tmp_path / "o.parquet").resolve())


def test_artifacts_lie_beside_the_file(write: Any, tmp_path: Path) -> None:
    settings = {"type": "mixture_of_thoughts", "expert": "far", "artifact": "thoughts/router.npz"}
    path = write({"experts": {"far": REMOTE}, "routers": {"t": settings}})
    routers = load_config(path).routers
    assert routers["t"]["artifact"] == str((tmp_path / "thoughts" / "router.npz").resolve())
    (problem,) = missing_files(routers)
    assert problem.startswith("routers.t.artifact: there is no file")
    assert problem.endswith("`coterie fuse mixture-of-thoughts` writes it.")


@pytest.mark.parametrize("model", ["./weights", "weights", "org/model"])
def test_a_routers_encoder_starts_at_the_file(write: Any, weights: Path, model: str) -> None:
    keys = {"type": "knn", "outcomes": "o.parquet", "encoder": {"model": model}}
    found = load_config(write({"experts": {"far": REMOTE}, "routers": {"k": keys}})).routers["k"]
    expected = "org/model" if "/model" in model else str(weights.resolve())
    assert found["encoder"] == {"model": expected}


@pytest.mark.parametrize("given", ["tls/ca.pem", "{path}/ca.pem"])
def test_the_ca_of_a_store_starts_at_the_file(write: Any, tmp_path: Path, given: str) -> None:
    ca = given.format(path=tmp_path / "tls")
    store = f"rediss://me:p%40ss@a:1,b:2/0?ssl_ca_certs={ca}&protocol=2"
    found = parse_qs(urlsplit(load_config(write({"store": store, **FAR})).store).query)
    assert found == {"ssl_ca_certs": [str(tmp_path / "tls" / "ca.pem")], "protocol": ["2"]}


@pytest.mark.parametrize(
    "store", ["memory", "redis://me:p%40ss@a:1,b:2/0", "rediss://a/0?protocol=2"]
)
def test_a_store_without_a_ca_stays_as_it_is(write: Any, store: str) -> None:
    assert load_config(write({"store": store, **FAR})).store == store


@pytest.mark.parametrize(
    "store", ["redis://a,/0", "redis://a:x,b/0", "redis://,b/0", "redis://a:0/0"]
)
def test_a_store_of_which_a_server_cannot_be_read(write: Any, store: str) -> None:
    (problem,) = problems_of(write({"store": store, **FAR}))
    assert "store" in problem
