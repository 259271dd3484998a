"""Exit with 0 where this container is well: its gateway answers, or its Ray process runs.

python health.py                    # the gateway: GET http://127.0.0.1:8000/health
python health.py http://...         # a gateway with another address
python health.py raylet             # a node of Ray; `gcs_server` for the head
"""

import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

GATEWAY = "http://127.0.0.1:8000/health"
PATIENCE_S = 4.0


def answers(url: str) -> bool:
    """Whether a URL of this container answers with 200."""
    try:
        with urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 (the container names it)
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def runs(name: str) -> bool:
    """Whether a process of that name runs here."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text(encoding="utf-8").strip() == name:
                return True
        except OSError:  # It has just ended.
            continue
    return False


def main(what: str = GATEWAY) -> None:
    """End with the verdict."""
    well = answers(what) if what.startswith("http://") else runs(what)
    if not well:
        print(f"{what}: {'no answer' if what.startswith('http') else 'no such process'}")
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
