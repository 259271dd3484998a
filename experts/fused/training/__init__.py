"""What every training of a fused expert shares: data, models, run folders, signs of life."""
