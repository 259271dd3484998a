"""How the Python that runs this was built; `deploy/python.sh` asks each candidate with it.

A candidate has no package of ours, and may be of any version: only the standard library is used.
"""

import sys
import sysconfig
from importlib import import_module
from pathlib import Path

LOCKED_PYTHON = (3, 11)
"""For which the locks are resolved."""
OPTIMIZED = "--enable-optimizations"
"""What configure is told to compile the interpreter by profiles of what it does."""
SYSTEM_PREFIX = "/usr"
"""Of a distribution's own Python; Debian's is compiled by profiles, which its CONFIG_ARGS omit."""
UNOPTIMIZED_COST = 1.4
"""Times the processor time that the gateway takes for a request on a build without profiles."""


def is_optimized(base_prefix: str, config_args: str) -> bool:
    """Whether a Python with this home, configured by these arguments, is compiled by profiles."""
    return base_prefix == SYSTEM_PREFIX or OPTIMIZED in config_args


def this_is_optimized() -> bool:
    """Whether the Python that runs this is."""
    return is_optimized(sys.base_prefix, sysconfig.get_config_var("CONFIG_ARGS") or "")


def lacking() -> list[str]:
    """What the Python that runs this lacks to make environments of, the worst first."""
    has = {
        "version": sys.version_info[:2] == LOCKED_PYTHON,
        "venv": _has_modules("venv", "ensurepip"),
        # The compilers of the engine include them.
        "headers": Path(sysconfig.get_path("include"), "Python.h").is_file(),
        "optimizations": this_is_optimized(),
    }
    return [what for what, is_there in has.items() if not is_there]


def _has_modules(*names: str) -> bool:
    """Debian has packages of their own for these."""
    try:
        for name in names:
            import_module(name)
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    print(*lacking())
