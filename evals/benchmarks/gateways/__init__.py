"""What a request costs through Coterie and through other gateways, on one engine that is instant."""
