"""`coterie plan`: what a batch would do, before anything runs."""
