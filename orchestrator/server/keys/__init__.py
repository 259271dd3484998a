"""Keys over HTTP: what a request costs its key, and the routes that make and revoke keys."""
