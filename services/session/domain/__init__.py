"""The rules of sessions, contacts and context: no I/O, no clock, no randomness."""
