"""The pool's state machine, for the live pool and the simulator. Pure, the time an argument.

From the ground up: `costs`, `state` (what is where), `filling` (a start), `placement`, `foresight`
and `policy` (what to load, what leaves), `effects` (what a driver is told to do), `queues` (one
engine's requests), `progress` (one slot's transition), `admission`, `succession` (engines come and
go) and `machine` (all of them).
"""
