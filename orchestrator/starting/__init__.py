"""The parts of a service, each started with what ends it again."""
