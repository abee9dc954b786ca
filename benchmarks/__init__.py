"""Consigne side by side with what a person would use instead: `make bench`."""
