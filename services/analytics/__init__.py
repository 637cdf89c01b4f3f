"""Figures: counted from the bus as it flows, equal to a fold over it."""
