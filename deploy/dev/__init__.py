"""The local stack: set-up, start and stop of everything on one machine, without containers."""
