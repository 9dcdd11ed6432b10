"""Who may ask: bearer tokens, their roles and purposes, and the areas they reach."""
