"""The residency machine driven by discrete events: the same code, simulated time."""
