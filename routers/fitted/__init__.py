"""What all routers share that are fitted from an outcome table; each adds its own `Predictor`."""
