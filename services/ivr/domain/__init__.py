"""The pure rules of self-service: no I/O, no clock, no randomness."""
