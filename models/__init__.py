"""What a trained model is, with no knowledge of how it was trained (layer 1)."""
