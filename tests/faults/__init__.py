"""Faults on the real parts: real services, database and broker under load, and one checker that decides."""
