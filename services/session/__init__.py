"""Sessions, the journal of journeys, and the context that all share."""
