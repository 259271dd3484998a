"""The border to what other people's servers send: checked once here, and trusted inside."""
