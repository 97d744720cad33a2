"""What a feature is, how it is computed, where it is kept."""
