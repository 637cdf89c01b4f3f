"""The pure rules of tickets: no I/O, no clock, no randomness."""
