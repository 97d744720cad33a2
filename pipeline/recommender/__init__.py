"""From a user and a moment to a list: recall, ranker, policy, and the one function that joins them."""
