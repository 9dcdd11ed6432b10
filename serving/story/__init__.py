"""The demo's story: four weeks in which staff of a pilot area work on their lists, through the desk like any work."""
