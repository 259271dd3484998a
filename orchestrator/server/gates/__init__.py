"""The layers around the application: access log, bound on requests under way, Anthropic's words."""
