"""How many answers become one."""
