"""What an answer concludes with, in one spelling, so that equal answers count as equal."""
