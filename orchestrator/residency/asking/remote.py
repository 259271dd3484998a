"""The engines of experts that none of our slots runs."""

from experts import own_engines
from experts.engine import Engine
from experts.guarded import GuardedEngine
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.spec import ExpertSpecBase, OpenAISpec, OwnSpec, ReplaySpec


def remote_engine(name: str, spec: ExpertSpecBase, client: ExpertClient) -> Engine:
    """The engine of an expert that none of our slots runs. Raises ConfigError."""
    if isinstance(spec, ReplaySpec):
        # Imported here: only evaluations need recordings, and pyarrow, which reads them.
        from experts.replay import ReplayEngine, recording  # noqa: PLC0415

        return ReplayEngine(name, recording(spec.recording, spec.model))
    if isinstance(spec, OwnSpec):
        return GuardedEngine(own_engines.build(name, spec))
    assert isinstance(spec, OpenAISpec)
    where = (spec.base_url, spec.model, spec.api_key, spec.timeout_s, spec.traced)
    endpoint = Endpoint(name, *where)
    return OpenAIEngine(endpoint, client)
