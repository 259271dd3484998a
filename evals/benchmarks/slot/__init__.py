"""How long a resident expert keeps its clients waiting while its slot is busy with another one."""
