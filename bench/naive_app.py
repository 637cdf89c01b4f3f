"""What one would write first: FastAPI, a pydantic model, and each event sent and waited for by itself."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request
from pydantic import BaseModel

TOPIC = "trunkline.visitor"


class PageViewed(BaseModel):
    visitor_id: str
    url: str
    title: str = ""
    referrer: str = ""


class CloudEvent(BaseModel):
    specversion: str
    id: str
    source: str
    type: str
    time: datetime
    data: PageViewed


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["TRUNKLINE_KAFKA_BOOTSTRAP"], acks="all")
    await producer.start()
    yield {"producer": producer}
    await producer.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/v1/events", status_code=202)
async def take(event: CloudEvent, request: Request) -> dict[str, str]:
    """Take one event, as it is, from anybody."""
    value, key = event.model_dump_json().encode(), event.data.visitor_id.encode()
    await request.state.producer.send_and_wait(TOPIC, value=value, key=key)
    return {"id": event.id, "status": "accepted"}
