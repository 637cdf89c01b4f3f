"""The only door of the platform: HTTP, WebSockets and event ingestion."""
