"""The command line of the service, one module for each group of commands."""
