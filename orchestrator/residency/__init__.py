"""Which expert is in which slot, which requests wait for it, and what loading it costs.

`machine/` is the pure half: the policy and the state machine that queues, admits and counts. The
others are live: `pool` (leases, the room's front), `scheduler` (drives the machine), `transitions`
(loads and unloads), `upkeep/` (slots start, restart, come and go), `pool_view` and `engines` (what
is told of engines and slots), `canary`, `cost_store`, `slot` (what a slot must do), `ray_slot`
(slots as Ray actors), `slot_words` (what their errors say), `ray_cluster` (the Ray that they run
in), `ray_folder` (what that leaves behind), `changing/` (experts come and go).
Pure and apart: `forecast` (`coterie plan`) and `lru_baseline` (the loads that are saved).
"""
