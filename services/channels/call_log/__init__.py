"""A voice adapter that lets recorded calls happen again: reads a call log, tells each call's life."""
