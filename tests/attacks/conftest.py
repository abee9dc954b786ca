"""Attacks need what end-to-end tests need: a host of their own and a user."""

from tests.e2e.conftest import host, user

__all__ = ["host", "user"]
