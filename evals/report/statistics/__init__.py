"""What a report says in numbers: arithmetic on arrays and rows, no I/O."""
