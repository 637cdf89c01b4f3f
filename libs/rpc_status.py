"""How refusals travel over gRPC: as google.rpc.Status with the standard error details, both ways."""

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode, aio
from grpc_status import rpc_status

from libs.errors import REFUSALS, Failed, Refusal, Unavailable, Violation

DOMAIN = "trunkline"
DETAILS_KEY = "grpc-status-details-bin"


def status_of(refusal: Refusal) -> Status:
    """Return the status that stands for `refusal`."""
    details: list[BadRequest | ErrorInfo | PreconditionFailure | RetryInfo] = [
        ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=refusal.facts)
    ]
    if refusal.violations:
        fields = [
            BadRequest.FieldViolation(field=each.field, description=each.text, reason=each.reason)
            for each in refusal.violations
        ]
        details.append(BadRequest(field_violations=fields))
    if refusal.status == "FAILED_PRECONDITION":
        failure = PreconditionFailure.Violation(type=refusal.reason, description=refusal.text)
        details.append(PreconditionFailure(violations=[failure]))
    if refusal.retry_after_s is not None:
        delay = Duration(nanos=0)
        delay.FromNanoseconds(round(refusal.retry_after_s * 1e9))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=StatusCode[refusal.status].value[0], message=refusal.text)
    for detail in details:
        status.details.add().Pack(detail)
    return status


async def refuse(context: aio.ServicerContext[object, object], refusal: Refusal) -> None:
    """End the call with `refusal`; raises, so nothing after it runs."""
    await context.abort_with_status(rpc_status.to_status(status_of(refusal)))


def refusal_of(error: aio.AioRpcError) -> Refusal:
    """Return the refusal that the other side has sent, or that the lost connection amounts to."""
    kind = REFUSALS.get(error.code().name, Failed)
    info, violations, retry_after_s = ErrorInfo(), [], None
    for packed in details_of(error):
        if packed.Is(ErrorInfo.DESCRIPTOR):
            packed.Unpack(info)
        elif packed.Is(BadRequest.DESCRIPTOR):
            bad = BadRequest()
            packed.Unpack(bad)
            violations = [
                Violation(each.field, each.description, each.reason) for each in bad.field_violations
            ]
        elif packed.Is(RetryInfo.DESCRIPTOR):
            retry = RetryInfo()
            packed.Unpack(retry)
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
    reason = info.reason or error.code().name.lower()
    # Without details it is gRPC itself that speaks, of addresses and sockets: nothing for the outer doors.
    text = (
        (error.details() or "") if info.reason or kind is not Unavailable else "the service cannot be reached"
    )
    return kind.received(reason, text, info.metadata, violations, retry_after_s)


def details_of(error: aio.AioRpcError) -> list[Packed]:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return list(Status.FromString(value).details)
    return []
