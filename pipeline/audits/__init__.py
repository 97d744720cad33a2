"""What must never be: features that know the future, vectors that training would not have made."""
