"""Starting and asking a service: many questions at a time, under load, with progress shown."""
