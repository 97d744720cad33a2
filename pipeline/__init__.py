"""How a day becomes a release."""
