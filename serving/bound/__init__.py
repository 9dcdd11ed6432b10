"""How well hardship can be foreseen at all: an experiment on the simulated province, whose truth is known."""
