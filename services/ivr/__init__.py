"""Self-service: flows as versioned documents, and the dialogues that follow them."""
