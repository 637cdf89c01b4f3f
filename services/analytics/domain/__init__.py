"""The pure rules of counting."""
