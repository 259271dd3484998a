"""Composites whose members vLLM compiles piece by piece, as on a GPU, answer as eager ones do."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from composite_engines import (
    FIRST_ROLE,
    LOOSE,
    VOCABULARY,
    Engines,
    Server,
    compiled_pieces,
    serving,
    texts,
    worst_error,
)
from fused_folders import write_contrasts, write_route
from mixtures import write_mixture

pytestmark = pytest.mark.e2e

PIECES: Mapping[str, set[str]] = {
    "route": {"router", "members.m_strings", "members.m_duo"},
    "contrast": {"members.m_units", "members.m_generalist", "members.m_logic"},
    "self": {"members.m_duo"},
    "positionwise": set(),
    "sequence": set(),
}
"""Composite -> its compiled parts; in a Mixture of Thoughts vLLM compiles nothing."""
ROLES = {"route": 4, "contrast": 3, "self": 4, "positionwise": 3, "sequence": 3}
THOUGHTS = {"stacks": 2, "places": (0, 1), "active": 2, "shared_width": 128}
# Prompts come in pieces, and self-contrast has up to 128 rows.
EAGER = {**LOOSE, "max_num_batched_tokens": 64}
PASSES = ("fuse_norm_quant", "fuse_act_quant", "fuse_attn_quant")
"""Of the compiler, for GPUs only."""
COMPILED = {
    **EAGER,
    "enforce_eager": False,
    "compilation_config": {
        "mode": 3,
        "backend": "eager",
        "compile_sizes": [],
        "pass_config": dict.fromkeys(PASSES, False),
    },
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("compiled")
    found = write_contrasts(root)
    found["route"] = write_route(root / "route", ("strings", "duo"))
    for form in ("positionwise", "sequence"):
        write_mixture(root / form, ("arithmetic", "duo"), 0.8, attention=form, **THOUGHTS)
        found[form] = root / form
    return {kind: found[kind] for kind in PIECES}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def server(folders: dict[str, Path], cache: Path) -> Iterator[Server]:
    loads: dict[str, Any] = {}
    for kind, folder in folders.items():
        loads[kind] = {"model": str(folder), "engine_args": EAGER}
        loads[f"compiled-{kind}"] = {"model": str(folder), "engine_args": COMPILED}
    with serving(loads, compiled_pieces(cache)) as started:
        yield started


@pytest.fixture(scope="module")
async def engines(server: Server, folders: dict[str, Path]) -> AsyncIterator[Engines]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Engines(server, client, folders)


async def test_every_member_that_can_be_compiled_was(engines: Engines, cache: Path) -> None:
    compiled = {path.parent.name for path in cache.rglob("computation_graph.py")}
    assert compiled == set().union(*PIECES.values())


@pytest.mark.parametrize("kind", PIECES)
async def test_compiled_answers_and_log_probabilities_are_the_eager_ones(
    engines: Engines, kind: str
) -> None:
    dice = Random(0)
    bodies = [*texts(2), [dice.randrange(70, VOCABULARY) for _ in range(150)]]
    prompts = [[FIRST_ROLE + role, *body] for role in range(ROLES[kind]) for body in bodies]
    for prompt in prompts[::2]:
        expected = (await engines.log_probs(kind, prompt)).clamp(min=-9999)
        found = (await engines.log_probs(f"compiled-{kind}", prompt)).clamp(min=-9999)
        assert worst_error(found, expected) < 1e-4
    alone = [await engines.follow(kind, prompt) for prompt in prompts]
    together = await asyncio.gather(
        *(engines.follow(f"compiled-{kind}", prompt) for prompt in prompts)
    )
    assert together == alone
    assert len({str(answer) for answer in alone}) > 3
