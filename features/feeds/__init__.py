"""What departments deliver, and how it is read, renamed, checked and kept."""
