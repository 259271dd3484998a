"""Fitting self-contrast in the real engine, with a few questions."""

from dataclasses import replace
from pathlib import Path

import pytest
from repository import ROOT
from rich.console import Console

from evals.client.progress import Progress
from evals.client.worker.serving import serving
from evals.fitting.fuse.folders import write_self_contrast
from evals.fitting.fuse.self_contrast import fit_settings, setting_roles, settings_of
from evals.fitting.fuse.self_contrast_settings import GREEDY
from evals.tasks.task import load_tasks
from experts.errors import ServiceError
from experts.fused.folder.folder_config import read

pytestmark = pytest.mark.e2e

DUO = ROOT / "experts" / "zoo" / "weights" / "duo"


async def test_every_setting_is_a_role_of_one_model(tmp_path: Path) -> None:
    (task,) = load_tasks(("roman",)).values()
    few = replace(task, rows=task.samples("probe")[:3] + task.samples("test")[:3])
    folder = write_self_contrast(tmp_path / "grid", "duo", DUO, setting_roles(DUO))
    async with serving({"duo": folder}) as url:
        fit = await fit_settings(url, "duo", DUO, [few], Progress(Console(quiet=True)))

    assert set(fit.probe) == set(settings_of(DUO))
    assert all(len(scores["roman"]) == 3 for scores in (*fit.probe.values(), *fit.test.values()))
    assert sum(fit.test[GREEDY]["roman"]) > 0
    write_self_contrast(tmp_path / "fused", "duo", DUO, fit.roles())
    assert [role.name for role in read(tmp_path / "fused").roles] == ["fitted", "greedy"]


async def test_a_model_that_can_not_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="could not load the models"):
        async with serving({"nobody": tmp_path}):
            pass
