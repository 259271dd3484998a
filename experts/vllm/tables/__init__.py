"""What the vLLM of this release takes, in files: a check costs no import of vLLM."""
