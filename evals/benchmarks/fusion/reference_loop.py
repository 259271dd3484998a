"""The plain torch loop that the served composite is compared with, in a process of its own.

`python -m evals.benchmarks.fusion.reference_loop FOLDER COUNT` reads a JSON list of prompts (lists
of token numbers) from its standard input, decodes COUNT tokens of each greedily, one prompt after
the other as the reference does, and prints the seconds as JSON. The first prompt runs once before.
"""

import json
import sys
import time
from pathlib import Path

from routers.fusion_route.reference import FusionRouteReference


def main() -> None:
    """Run; the number of threads is that of OMP_NUM_THREADS."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    prompts: list[list[int]] = json.load(sys.stdin)
    reference = FusionRouteReference(folder)
    reference.greedy(prompts[0], 1)
    started = time.perf_counter()
    for prompt in prompts:
        reference.greedy(prompt, count)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
