"""How requests come off the wire: the protocol of a connection, and packed bodies."""
