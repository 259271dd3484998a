"""Ask once, compare everything: compositions replayed over the answers of one sweep."""
