"""What the search found: a table, a picture, every number, and the lines to paste."""
