"""What encoders of texts share: windows over long texts, and any model of sentence-transformers."""
