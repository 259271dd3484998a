"""The keys about answers that are given more than once."""
