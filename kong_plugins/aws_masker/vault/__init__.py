"""Where mappings live between requests."""
