"""What a configuration asks of the machine: pure."""

from experts.footprint.device import expected
from orchestrator.cli.doctor.machine_checks import Needs
from orchestrator.config.model import Config


def needs_of(config: Config) -> Needs:
    """Slots count here only where Ray is started on this machine."""
    server, slots = config.server, config.slots
    connections = server.max_in_flight + server.max_connections
    if not config.hosted():
        return Needs(connections=connections)
    if config.ray.address is not None:
        return Needs(connections=connections, joins_cluster=True)
    gpus = slots.gpus if slots.gpus is not None else float(expected(None).kind == "cuda")
    return Needs(
        slots=slots.count,
        cpus=slots.cpus,
        gpus=gpus,
        memory_gb=slots.memory_gb,
        sleeping_gb=slots.host_memory_gb if slots.sleep_level == 1 else 0.0,
        connections=connections,
        spread=gpus > 1,
    )
