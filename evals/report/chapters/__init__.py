"""The sections of a report: what each table and picture shows, in words."""
