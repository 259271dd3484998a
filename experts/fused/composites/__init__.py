"""Several language models that vLLM serves as one model, in one folder for each method.

`plugin.py` registers them with vLLM. `model.py`, `members.py` and `request_roles.py` are what all
methods share; `combine.py` and `role_logprobs.py` do not need vLLM.
"""
