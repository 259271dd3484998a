"""Getting answers of experts: from the cache, or over HTTP, each distinct call once."""
