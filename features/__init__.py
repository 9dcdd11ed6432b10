"""From departments' deliveries to a household panel as it was known on one day (layer 0)."""
