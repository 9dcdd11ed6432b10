"""Layer 2: from panel and outcomes to a bundle worth promoting."""
