"""The audit service: says whether every contact is accounted for, and what breaks a rule."""
