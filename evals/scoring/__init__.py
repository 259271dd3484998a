"""How good an answer is, from 0 to 1: scorers by name, in batches, and a judge's bias corrected."""
