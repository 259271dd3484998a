"""Is this GPU all right, and what does a swap cost on it? `make gpu-check` tells.

`plan.py` lists the steps, `steps/` holds them; each runs in a process of its own (`child.py`), with
a time limit (`step_process.py`) and beside others (`schedule.py`). `bare.py` starts the check where
nothing is installed but PyTorch.
"""
