"""Which expert is in which slot, which requests wait for it, and what loading it costs.

Pure, with the time as an argument: `state` (what is where), `costs`, `queues` (one engine's
requests), `placement` and `policy` (what to load, what leaves), `effects`, `progress`, `admission`
and `machine` (the state machine: events in, effects out), `lru_baseline`, `forecast`.

Live: `pool` (leases for everything above), `scheduler` (drives the machine), `transitions` (loads
and unloads), `supervisor` (restarts), `engines` (what is told of engines and slots), `canary`,
`cost_store`, `slot` (what a slot must do) and `ray_slot` (slots as Ray actors).
"""
