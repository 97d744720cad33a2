"""One file a group of endpoints; each endpoint parses, asks, shapes, returns."""
