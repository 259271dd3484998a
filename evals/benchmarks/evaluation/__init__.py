"""What an evaluation costs beside the bare engines that do the same calls."""
