"""Strategies: the documents that say how the contacts of a queue find their agents."""
