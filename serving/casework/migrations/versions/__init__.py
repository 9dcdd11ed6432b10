"""Versions of the case database's schema."""
