"""Registers the composites with vLLM: our entry point in the group vllm.general_plugins."""

from transformers import AutoConfig
from vllm import ModelRegistry

from experts.fused.folder.folder_config import MODEL_TYPE, CompositeConfig

ARCHITECTURES = {
    "CoterieFusionRoute": "fusion_route",
    "CoterieContrast": "contrast",
    "CoterieSelfContrast": "self_contrast",
    "CoterieMixtureOfThoughts": "mixture_of_thoughts",
}


def register() -> None:
    """Register the configuration and the models. A second call does nothing."""
    AutoConfig.register(MODEL_TYPE, CompositeConfig, exist_ok=True)
    known = ModelRegistry.get_supported_archs()
    for architecture, module in ARCHITECTURES.items():
        if architecture not in known:
            path = f"experts.fused.composites.{module}.model:{architecture}"
            ModelRegistry.register_model(architecture, path)
