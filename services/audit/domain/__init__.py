"""What the audit makes of the facts on the bus: pure, and independent of how the others came to them."""
