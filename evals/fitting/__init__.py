"""Commands that make something for the product: outcome tables, fitted cascades, fused experts."""
