"""What a request costs through Coterie and through the gateways of others."""
