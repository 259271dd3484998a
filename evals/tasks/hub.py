"""Questions from the Hugging Face Hub, with the optional package `datasets`."""

from importlib import import_module
from importlib.util import find_spec

from evals.tasks.spec import Hub
from evals.tasks.tables import Row
from experts.errors import ConfigError

PACKAGE = "datasets"


def has_package() -> bool:
    """Whether the package is installed."""
    return find_spec(PACKAGE) is not None


def read_hub(hub: Hub) -> list[Row]:
    """The rows of one split. Raises ConfigError, also where there is no network."""
    if not has_package():
        raise ConfigError(
            f"The data set {hub.id} needs the package `{PACKAGE}`.",
            hint='`pip install "coterie[datasets]"`.',
        )
    try:
        rows = import_module(PACKAGE).load_dataset(
            hub.id, hub.config, split=hub.split, revision=hub.revision
        )
        return [Row(f"row {number}", dict(row)) for number, row in enumerate(rows, start=1)]
    except Exception as error:  # The package raises errors of a dozen libraries.
        words = " ".join(str(error).split())
        raise ConfigError(
            f"The data set {hub.id} could not be read: {type(error).__name__}: {words}",
            hint="It needs a network; or put the file under the data root.",
        ) from error
