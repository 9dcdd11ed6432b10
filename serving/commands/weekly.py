"""Commands of the weekly run: score, explain, list import."""
