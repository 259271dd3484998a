"""The layers around the application: the access log, and the bound on requests under way."""
