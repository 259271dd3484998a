"""What each fused method adds to a fused folder's config.json: its roles and its own keys."""
