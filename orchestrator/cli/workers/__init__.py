"""`coterie serve --workers N`: several gateways of one pool on one port."""
