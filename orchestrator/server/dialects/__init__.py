"""How answers are worded for the client: OpenAI's chats as they are, other protocols translated."""
