"""The console: a web page for people, as static files that browsers run (`static/`)."""
