"""Symbolic-MoE (arXiv 2503.05641): a panel of experts, chosen by the skills a question needs.

- Here: the router (`router.py`), the experts' profiles by skill, recruiting, and the leads: which
  expert merges answers best, the paper's aggregator.
- `orchestrator/request/tagging.py`: asks the tagger for a request's skills before it is routed.
- `evals/fitting/skill_tagging.py`, `evals/fitting/leads.py` and `evals/fitting/symbolic_moe.py`:
  what `coterie profile` measures for it, the questions' skills and the leads.
- `aggregators/synthesize/`: the lead expert merges the panel's answers.
"""
