"""The experts of several configurations at once. Pure."""

from collections.abc import Iterable, Mapping

from experts.spec import HostedSpec


def together(configured: Iterable[Mapping[str, HostedSpec]]) -> dict[str, HostedSpec]:
    """All that they host, as the last one that does describes it.

    Without adapters whose base is no model of its own in the last one that has it.
    """
    every = list(configured)
    both = {name: spec for one in every for name, spec in one.items()}
    last = every[-1] if every else {}

    def has_engine(spec: HostedSpec) -> bool:
        return spec.base is None or (spec.base in both and both[spec.base].base is None)

    return {name: spec for name, spec in both.items() if name in last or has_engine(spec)}
