"""Tables, intervals and verdicts that every measurement prints."""
