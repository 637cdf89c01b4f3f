"""The resources under /v1, one module each."""

from fastapi import APIRouter

from gateway.asking import Operation


def router(tag: str) -> APIRouter:
    """Return a router whose routes ask the table of roles first."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=Operation)
