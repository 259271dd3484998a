"""Anthropic's Messages API over the pool: requests become chats, answers are worded back."""
