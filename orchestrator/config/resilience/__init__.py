"""The keys of what the gateway does when experts fail."""
