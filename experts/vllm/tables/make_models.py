"""Makes the table of models.json from the installed vLLM and the transformers beside it."""

import json
from typing import Any

from experts.footprint.shape import COMPOSITE
from experts.vllm.versions import installed

_MAPPINGS = (
    "MODEL_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
)
"""The classes of transformers that vLLM's own backend for them can run."""


def make_table() -> dict[str, Any]:
    """The table of the vLLM that is installed. Imports it, which takes many seconds."""
    from transformers.activations import ACT2FN  # noqa: PLC0415
    from transformers.models.auto import modeling_auto  # noqa: PLC0415
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES  # noqa: PLC0415
    from vllm.model_executor.layers.activation import (  # noqa: PLC0415
        _ACTIVATION_AND_MUL_REGISTRY,
        _ACTIVATION_REGISTRY,
    )
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS  # noqa: PLC0415
    from vllm.model_executor.models import ModelRegistry  # noqa: PLC0415
    from vllm.model_executor.models.registry import _MULTIMODAL_MODELS  # noqa: PLC0415
    from vllm.transformers_utils.chat_templates.registry import (  # noqa: PLC0415
        CHAT_TEMPLATES_DIR,
    )
    from vllm.transformers_utils.config import _CONFIG_REGISTRY  # noqa: PLC0415
    from vllm.v1.attention.backends.registry import AttentionBackendEnum  # noqa: PLC0415

    own = {name for name in ModelRegistry.get_supported_archs() if not name.startswith("Coterie")}
    theirs: set[str] = set()
    for mapping in _MAPPINGS:
        for names in getattr(modeling_auto, mapping, {}).values():
            theirs |= {names} if isinstance(names, str) else set(names)
    types = ({*CONFIG_MAPPING_NAMES, *_CONFIG_REGISTRY}) - {COMPOSITE}
    return {
        "vllm": (installed() or "").partition("+")[0],
        "architectures": sorted(own),
        "by_transformers": sorted(theirs - own),
        "multimodal": sorted(_MULTIMODAL_MODELS),
        "model_types": sorted(types),
        "quantisations": sorted(QUANTIZATION_METHODS),
        "activations": sorted({*ACT2FN, *_ACTIVATION_REGISTRY, *_ACTIVATION_AND_MUL_REGISTRY}),
        "attention_backends": sorted(AttentionBackendEnum.__members__),
        "chat_templates": sorted(file.name for file in CHAT_TEMPLATES_DIR.glob("*.jinja")),
    }


def text_of(table: dict[str, Any]) -> str:
    """The table as its file has it: one name a line."""
    return json.dumps(table, indent=1) + "\n"
