"""Everything people and machines touch: command line, weekly run, service (layer 3)."""
