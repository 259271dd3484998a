"""Models in one worker process of the product, and asking them the questions of tasks."""
