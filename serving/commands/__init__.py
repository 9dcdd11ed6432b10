"""What each command does, by family."""
