"""What outlives a restart, or is shared by several gateways: in memory, in a file, or in Redis."""
