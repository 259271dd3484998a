"""Joins a Ray cluster, prints the resources of its nodes as JSON, and leaves it."""

import json
import sys

from experts.errors import ServiceError
from orchestrator.config.slots_section import RayConfig, SlotsConfig
from orchestrator.residency import ray_cluster


def main(address: str) -> None:
    """Print one line: the nodes, or why they cannot be asked."""
    try:
        ray_cluster.connect(RayConfig(address=address), SlotsConfig())
    except ServiceError as error:
        print(json.dumps({"nodes": [], "trouble": error.message}))
        return
    print(json.dumps({"nodes": ray_cluster.node_resources(), "trouble": ""}), flush=True)
    ray_cluster.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
