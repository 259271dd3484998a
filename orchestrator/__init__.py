"""Run it: configuration, planning, the pool of experts, the server and the command line."""
