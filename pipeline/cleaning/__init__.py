"""What happens to rows between the raw and the clean archive."""
