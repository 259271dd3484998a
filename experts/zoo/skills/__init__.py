"""The skills that the zoo's experts learn, importable without any machine-learning library."""
