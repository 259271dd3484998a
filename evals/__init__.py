"""Is the whole better than its parts, and at what price?"""
