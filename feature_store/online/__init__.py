"""Where serving finds what is known of a user: Redis, or a SQLite file with the same layout."""
