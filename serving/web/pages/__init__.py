"""Page families, one file each."""
