"""Answers of several experts, beside what each of them says alone."""
