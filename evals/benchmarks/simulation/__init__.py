"""The residency policy driven by discrete events: the same function, made-up time."""
