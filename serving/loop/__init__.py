"""The simulated field: the whole product driven from above over simulated weeks, as its users would drive it."""
