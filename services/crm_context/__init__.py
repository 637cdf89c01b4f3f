"""Customers: who they are, how they are recognised, and what an agent should know when one calls."""
