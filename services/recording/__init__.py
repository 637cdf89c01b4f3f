"""Keeps conversations: transcripts of chats, audio by upload, and who looked at them."""
