"""Generated from proto/ by `python -m deploy.dev.protos`."""
