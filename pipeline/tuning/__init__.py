"""Searches for better choices on weeks before the cut, and what recall offers in them."""
