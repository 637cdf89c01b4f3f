"""The rules of recordings, without any I/O."""
