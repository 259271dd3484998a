"""Where tasks and their data are: the shipped files, one's own, and the data root."""

import os
from pathlib import Path

from evals.tasks.hub import has_package, read_hub
from evals.tasks.spec import TaskSpec
from evals.tasks.tables import Row, read_rows
from experts.errors import ConfigError

HERE = Path(__file__).parent
ZOO, BENCHMARKS = HERE / "zoo", HERE / "benchmarks"
DATA_ROOT = "COTERIE_DATA_ROOT"
"""The environment variable that `--data-root` sets for the time of a command."""
DEFAULT_ROOT = "data"
YAML = (".yaml", ".yml")


def data_root() -> Path:
    """The folder of benchmarks' data that this repository does not ship."""
    return Path(os.environ.get(DATA_ROOT) or DEFAULT_ROOT)


def shipped() -> dict[str, Path]:
    """The files of our tasks by their names."""
    files = [path for folder in (ZOO, BENCHMARKS) for path in sorted(folder.glob("*.yaml"))]
    return {path.stem: path for path in files}


def rows_of(spec: TaskSpec, folder: Path) -> tuple[str, list[Row]]:
    """What a task's rows were read from, and the rows. Raises ConfigError.

    `folder` is that of the file that names the data.
    """
    if spec.data is not None:
        places = [folder / spec.data, data_root() / spec.data]
        found = next((path for path in places if path.is_file()), None)
        if found is not None:
            return str(found), read_rows(found)
        if spec.hub is None or not has_package():
            raise _missing(spec, places)
    assert spec.hub is not None
    return spec.hub.id, read_hub(spec.hub)


def _missing(spec: TaskSpec, places: list[Path]) -> ConfigError:
    where = " nor ".join(map(str, dict.fromkeys(places)))
    source = f" It comes from {spec.source}." if spec.source else ""
    hint = f"Put it under the data root, {data_root()} (--data-root FOLDER, or {DATA_ROOT})"
    if spec.hub is not None:
        hint += f'; or `pip install "coterie[datasets]"`, which loads {spec.hub.id} from the hub'
    return ConfigError(
        f"The task {spec.name} needs the file {spec.data}, which is neither {where}.{source}"
        if len(set(places)) > 1
        else f"The task {spec.name} needs the file {where}.{source}",
        hint=f"{hint}.",
    )
