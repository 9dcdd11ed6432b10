"""A generated province: invented households and the files that departments would send about them."""
