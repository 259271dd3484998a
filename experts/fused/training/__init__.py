"""What every training of a fused expert shares: data, models, run folders, progress."""
