"""Takes a person out of everything that a run leaves."""
