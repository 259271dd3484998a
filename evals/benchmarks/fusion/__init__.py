"""What fusing costs and what it is worth: composites beside their members, contrast fitted."""
