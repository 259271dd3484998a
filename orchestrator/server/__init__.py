"""The HTTP surface: OpenAI's endpoints over one pipeline."""
