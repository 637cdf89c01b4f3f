"""Routing: who waits, who is there, and who serves whom."""
