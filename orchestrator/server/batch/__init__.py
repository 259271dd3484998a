"""OpenAI's files and batches over HTTP, and the desk at which their lines are answered."""
