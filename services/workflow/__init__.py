"""Tickets: work that outlives the contact, with due times on a business calendar."""
