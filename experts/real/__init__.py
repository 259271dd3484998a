"""A real pretrained model as an expert, and the recipe of three LoRA adapters on it."""
