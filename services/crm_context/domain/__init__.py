"""The rules of customers, visitors and context packs: no I/O, no clock, no randomness."""
