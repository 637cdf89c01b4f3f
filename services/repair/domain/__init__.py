"""The pure rules of dead letters."""
