"""Traces over HTTP, gRPC and Kafka, and logs without personal data: one call, the same in every process."""

import hashlib
import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from libs.events.base import AnyEvent

_tracer = trace.get_tracer("trunkline")
_exporting = False


def start(process: str, log_level: str = "INFO", otlp_endpoint: str = "") -> None:
    """Begin structured logging, and tracing where an OTLP endpoint (http://host:4318/v1/traces) is given."""
    _start_logs(process, log_level)
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        export_to(process, OTLPSpanExporter(endpoint=otlp_endpoint))


def export_to(process: str, exporter: SpanExporter) -> TracerProvider:
    """Send this process's spans to `exporter`."""
    global _exporting, _tracer  # noqa: PLW0603 - one exporter a process, set once at its start
    provider = TracerProvider(resource=Resource.create({"service.name": f"trunkline-{process}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("trunkline")
    _exporting = True
    return provider


def _start_logs(process: str, log_level: str) -> None:
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level)
    for noisy in ("aiokafka", "pymongo", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING if noisy != "aiokafka" else logging.ERROR)
    structlog.contextvars.bind_contextvars(process=process)


def new_traceparent(trace_id: str, span_id: str) -> str:
    """Return a sampled W3C traceparent of 32 and 16 hexadecimal digits."""
    return f"00-{trace_id}-{span_id}-01"


def rooted(event_id: str) -> str:
    """Return the traceparent of a chain that begins with this event, the same whenever asked."""
    digest = hashlib.blake2b(event_id.encode(), digest_size=24).hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-01"


def child(traceparent: str, name: str) -> str:
    """Return the traceparent of what follows: the same trace, a span id derived from `name`."""
    span = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return f"{traceparent[:36]}{span}{traceparent[52:]}" if len(traceparent) == 55 else rooted(name)


def context_of(traceparent: str) -> trace.SpanContext | None:
    """Return the span context of a W3C traceparent, None where it is none."""
    parts = traceparent.split("-")
    try:
        if len(parts) == 4 and len(parts[1]) == 32 and len(parts[2]) == 16:
            return SpanContext(int(parts[1], 16), int(parts[2], 16), True, TraceFlags(int(parts[3], 16)))
    except ValueError:
        return None
    return None


def applying(event: AnyEvent, store: str) -> AbstractContextManager[str]:
    """Cover the decision on one event by a span, as `span` does."""
    return span(f"apply {store}", event.traceparent or rooted(event.id), SpanKind.CONSUMER)


def span(name: str, parent: str, kind: SpanKind = SpanKind.INTERNAL) -> AbstractContextManager[str]:
    """Cover a piece of work by a span below `parent`, where spans are exported; yield its traceparent."""
    return _span(name, parent, kind) if _exporting else nullcontext(parent)


@contextmanager
def _span(name: str, parent: str, kind: SpanKind) -> Iterator[str]:
    remote = context_of(parent)
    context = trace.set_span_in_context(NonRecordingSpan(remote)) if remote else None
    with _tracer.start_as_current_span(name, context=context, kind=kind) as current:
        own = current.get_span_context()
        yield new_traceparent(f"{own.trace_id:032x}", f"{own.span_id:016x}")


def current() -> str:
    """Return the traceparent of the span in hand, "" outside of any."""
    own = trace.get_current_span().get_span_context()
    return new_traceparent(f"{own.trace_id:032x}", f"{own.span_id:016x}") if own.is_valid else ""
