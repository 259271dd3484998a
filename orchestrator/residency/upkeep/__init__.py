"""Keeps the slots there: as many as are needed, each with a process that runs and is in reach.

`upkeep` is the room's front; `supervisor` starts slots, and starts them again; `reach` finds out in
seconds that a machine has fallen silent; `adoption` sorts what a process holds that was there
before; `demand` says how many there should be (pure), and `scaler` has that done.
"""
