"""The names of the request fields that may pass, and of those that are kept from clients.

A misspelt field is an error, as it is at OpenAI, and is not silently ignored.
"""

from experts.types import Operation
from orchestrator.server.bodies.operations import BODIES

_WITHHELD = """
    kv_transfer_params ec_transfer_params mm_payload return_mm_kwargs watermarking
    routed_experts_prompt_start
"""

WITHHELD = frozenset(_WITHHELD.split())
"""How engines talk to each other, and what only images need: not for clients of the gateway."""

FIELDS: dict[Operation, frozenset[str]] = {
    operation: frozenset(body.model_fields) for operation, body in BODIES.items()
}
