"""Composition of Experts (arXiv 2412.01868): a category per request, an expert per category.

- Here: the router (`router.py`) and its keys (`composition_config.py`), the classifier of
  categories (`classifier.py`), categories for questions that have none (`unlabelled.py`), and the
  map from categories to experts under a budget of parameters, a mixed integer program
  (`mapping.py`).
- `routers/fitted/coverage.py`: the uncertainty tests that send a request to the general expert.
- `evals/benchmarks/composition/`: `coterie router map` measures maps over budgets.
"""
