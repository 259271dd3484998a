"""Starts everything together in this process, and stops it."""

from orchestrator.service.service import Service, start_service

__all__ = ["Service", "start_service"]
