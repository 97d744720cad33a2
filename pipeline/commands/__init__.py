"""One file a group of commands of `vitrine`: they parse, ask and print."""
