"""Programs that models wrote, run against tests where they can do no harm."""
