"""Pictures as inline SVG, whose colours are the page's CSS variables."""
