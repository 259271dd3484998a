"""Making fused experts: contrast, self-contrast, FusionRoute, Mixture of Thoughts."""
