"""What administrators set up for routing: files of it, what changes, and whom that is told."""
