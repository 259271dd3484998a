"""Which of vLLM's parsers read a model's tool calls and its reasoning, by the model's family."""
