"""The console script: the service's commands and those that measure and fit."""
