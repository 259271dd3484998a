"""The reference pages of the documentation, generated from the schema and the commands."""
