"""The services of the platform, each a pure core in a thin shell."""
