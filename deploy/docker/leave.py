"""Take this container's gateway out of its load balancer, and wait until nothing is under way.

    python leave.py http://127.0.0.1:8000 60

For a hook before the container is stopped. COTERIE_ADMIN_KEY is an administrator's key, where the
service has keys. What cannot be done here is left to the service, which drains when it is stopped.
"""

import json
import os
import sys
import time
from urllib.error import URLError
from urllib.request import Request, urlopen

NOTICE_S = 5.0
"""At least so long it goes on answering: balancers look every second or two."""
PAUSE_S = 0.5


def drain(url: str, key: str) -> int:
    """Say that it leaves; returns how many requests are under way. Raises OSError, ValueError."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    asked = Request(f"{url}/coterie/drain", method="POST", headers=headers)  # noqa: S310
    with urlopen(asked, timeout=5) as answer:  # noqa: S310 (this container's own address)
        return int(json.load(answer)["in_flight"])


def main(url: str, patience_s: str) -> None:
    """Return when all have been answered, or the time is over."""
    key, began = os.environ.get("COTERIE_ADMIN_KEY", ""), time.monotonic()
    while (waited_s := time.monotonic() - began) < float(patience_s):
        try:
            left = drain(url, key)
        except (URLError, OSError, ValueError, KeyError) as error:
            print(f"leave: {error}; the service drains by itself", file=sys.stderr)
            return
        if left == 0 and waited_s >= NOTICE_S:
            return
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
