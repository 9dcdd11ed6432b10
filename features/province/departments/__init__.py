"""Departments that look on the simulated province, each with the feeds it sends."""
