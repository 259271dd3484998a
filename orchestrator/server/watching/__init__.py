"""What the console's pages are told of the pool, without asking again.

`events` is the stream of snapshots, rates and moves, `rates` what is answered per second,
`standing` what is known of one expert, and `routes` their endpoints.
"""
