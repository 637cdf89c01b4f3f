"""The whole platform in one process, on a virtual clock, under seeded faults."""
