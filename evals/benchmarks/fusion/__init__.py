"""What fusing costs and what it is worth: fused experts beside their members."""
