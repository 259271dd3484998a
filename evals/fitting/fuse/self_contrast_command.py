"""`coterie fuse self-contrast`: contrast of a mixture of experts with itself, fitted by task."""

import asyncio
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from evals.client.progress import Progress
from evals.client.worker.serving import serving
from evals.fitting.fuse.folders import base_of, folder_of, write_self_contrast
from evals.fitting.fuse.self_contrast import Fit, fit_settings, setting_roles
from evals.fitting.fuse.self_contrast_report import print_fit
from evals.fitting.fuse.self_contrast_settings import GREEDY, fused_roles
from evals.reporting.table import Finish
from evals.tasks.judged import without_judges
from evals.tasks.task import find_tasks
from experts.errors import ConfigError
from orchestrator.config.model import Config


async def self_contrast(
    progress: Progress,
    settings: Config,
    expert: str,
    names: tuple[str, ...],
    out: Path | None,
    role_tokens: tuple[str, ...] = (),
) -> Finish:
    """Serve a checkpoint with every setting, ask, fit and write.

    `role_tokens` stand for the roles of the folder that is written, and for the settings, too,
    where there are enough of them. Raises ConfigError, ServiceError.
    """
    if out is not None:
        await asyncio.to_thread(_refuse_existing, out)
    tasks = without_judges(find_tasks(names), "coterie fuse")
    weights = folder_of(settings, expert)
    base = base_of(settings, expert)
    plain = Path(base.get(expert, weights))
    with TemporaryDirectory(prefix="coterie-fusion-") as made:
        if role_tokens:  # What is wrong with them is said before hours of fitting.
            final = fused_roles(GREEDY, dict.fromkeys((task.name for task in tasks), GREEDY))
            write_self_contrast(Path(made) / "tried", expert, weights, final, base, role_tokens)
        roles = setting_roles(plain)
        enough = role_tokens if len(role_tokens) >= len(roles) else ()
        folder = write_self_contrast(Path(made) / expert, expert, weights, roles, base, enough)
        progress.doing("loading the model")
        async with serving({expert: folder}) as url:
            progress.say(f"{expert} loaded once, with {len(roles)} settings as its roles")
            fit: Fit = await fit_settings(url, expert, plain, tasks, progress)
    if out is not None:
        write_self_contrast(out, expert, weights, fit.roles(), base, role_tokens)
    return partial(print_fit, fit=fit, out=out)


def _refuse_existing(out: Path) -> None:
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise ConfigError(f"{out} exists already.", hint="Name a new folder with --out.")
