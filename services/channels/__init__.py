"""Reference channel adapters: each tells what happens on a channel as facts of interactions."""
