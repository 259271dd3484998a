"""A zoo of small specialist language models and the recipe that trains them."""
