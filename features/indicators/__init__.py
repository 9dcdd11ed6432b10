"""Indicators: what is computed for a household on an as-of day, defined in a small language and registered."""
