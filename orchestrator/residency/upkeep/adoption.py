"""What a process holds that was there before: engines that are configured stay, others leave."""

from orchestrator.residency.changing.roster import Roster
from orchestrator.residency.engines import HostedEngine, HostedSlot


async def sorted_out(slot: HostedSlot, engines: Roster) -> list[HostedEngine]:
    """The engines that stay; those that are not what is configured have left when it returns.

    Raises what the slot raises.
    """
    held = slot.found.engines
    for name, (load, _) in held.items():
        engine = engines.get(name)
        if engine is None or engine.load != load:
            await slot.slot.unload(name)
    staying = [e for n, e in engines.items() if n in held and e.load == held[n][0]]
    for engine in staying:
        engine.adopted(held[engine.name][1])
    return staying
