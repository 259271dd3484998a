"""What every learned router shares: training set, validation, coverage, artifact, reasons."""
