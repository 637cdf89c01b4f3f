"""The contracts of the bus: every event as a class, without any I/O."""
