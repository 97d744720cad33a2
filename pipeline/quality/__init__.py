"""Whether the clean archive keeps its contracts."""
