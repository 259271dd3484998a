"""What an engine will take, known before anything is loaded: dtype, context, KV cache, memory.

`checkpoint.py` reads the headers of weights, `checkpoint_files.py` says whether they are whole,
`shape.py` reads a model's config.json, `device.py` what the machine can, and `plan.py` derives from
these what an engine is started with. No torch, no vLLM.
"""
