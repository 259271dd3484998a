"""What differs between two configurations, by what it means for a service that runs.

`values` shows values, and no secrets; `entries` compares sections; `files` are those that a
configuration names; `difference` puts all of it together.
"""
