"""What experts answered, as one matrix: from a run, or from recorded tables."""
