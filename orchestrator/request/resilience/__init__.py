"""What a request does when an expert fails: it asks again, asks another one, or ends in time."""
