"""The pure rules of routing: a pool, an event, what follows."""
