"""What a request asks for, by its meaning, and who can give it."""
