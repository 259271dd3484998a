"""A worker process serves what vLLM cannot run in torch."""

from dataclasses import replace
from pathlib import Path

import pytest
from mixtures import ZOO, write_mixture

from evals.client.worker.served import Served, client
from evals.client.worker.serving import serving
from evals.tasks.task import load_tasks

pytestmark = pytest.mark.e2e

SOME = 8


async def test_a_mixture_with_two_tokenizers_answers_beside_its_primary(tmp_path: Path) -> None:
    folder = tmp_path / "mixture"
    write_mixture(folder, ("arithmetic", "translation"), 0.0, active=2)
    whole = load_tasks(["arithmetic"])["arithmetic"]
    task = replace(whole, rows=whole.samples("test")[:SOME])
    folders = {"mixture": folder, "arithmetic": ZOO / "arithmetic"}
    async with serving(folders) as url, client() as connection:
        mixture, primary = [
            (await Served(connection, url, name).answers([task], "test")).texts for name in folders
        ]
    # With closed gates it says what its primary says.
    assert mixture == primary
    assert len(set(mixture["arithmetic"])) > 1
