"""All that can be attacked, found by asking: routes by OpenAPI, sockets by routing, RPCs by reflection."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from starlette.routing import Route as PlainRoute

from gateway.app import sockets as socket_routes
from gateway.tests.doors import Door
from libs import rpc

Json = dict[str, Any]
sent: Counter[str] = Counter()  # what was sent, by kind, for the summary
PLATFORM = "trunkline."


@dataclass(frozen=True)
class Route:
    """One method of one path of the API."""

    method: str
    path: str
    operation: Mapping[str, Any]
    components: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.operation["operationId"])

    @property
    def parameters(self) -> list[Json]:
        return list(self.operation.get("parameters", ()))

    @cached_property
    def sample(self) -> tuple[str, Any]:
        """Return the media type of a body and an example of it; ("", None) where none is taken."""
        for media_type, content in self.operation.get("requestBody", {}).get("content", {}).items():
            if "example" in content:
                return media_type, content["example"]
            return media_type, self.resolved(content["schema"])["examples"][0]
        return "", None

    def resolved(self, schema: Json) -> Json:
        """Return a schema, followed to where it is described."""
        while "$ref" in schema:
            schema = self.components["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Rpc:
    """One method of one service, and where it is served."""

    address: str
    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        service: ServiceDescriptor = self.descriptor.containing_service
        return f"{service.full_name}/{self.descriptor.name}"

    def request(self) -> Message:
        return GetMessageClass(self.descriptor.input_type)()

    async def call(self, channel: grpc.aio.Channel, requests: list[Message], **how: Any) -> list[Message]:
        """Return the answers: of a stream those that come until its deadline."""
        one = self.descriptor
        kind = ("stream" if one.client_streaming else "unary", "stream" if one.server_streaming else "unary")
        make = getattr(channel, "_".join(kind))
        stub = make(
            f"/{self.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(one.output_type).FromString,
        )
        asked = iter(requests) if one.client_streaming else requests[0]
        call = stub(asked, **how)
        if not one.server_streaming:
            return [await call]
        found: list[Message] = []
        try:
            async for answer in call:
                found.append(answer)  # noqa: PERF401 - what came before the deadline counts
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
        finally:
            call.cancel()
        return found


def routes_of(document: Json) -> list[Route]:
    """Return the operations of an OpenAPI document."""
    components = document["components"]
    return [
        Route(method.upper(), path, operation, components)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def pages() -> list[tuple[str, str]]:
    """Return method and path of what the document does not describe: probes, documentation, log-in."""
    application: Any = Door().app
    routes = application._app._app.router.routes  # limits, then measures, around it
    return [
        (method, route.path)
        for route in routes
        if type(route) is PlainRoute and not route.path.startswith("/v1/events")
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]


def sockets() -> dict[str, str]:
    """Return the paths of the sockets by name."""
    return {route.name: route.path for route in socket_routes()}


def rpcs_of(addresses: Mapping[str, str]) -> list[Rpc]:
    """Return every method that the servers at these addresses say they have."""
    found: list[Rpc] = []
    for address in addresses.values():
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool = DescriptorPool(database)
            for name in database.get_services():
                if name.startswith(PLATFORM):
                    service = pool.FindServiceByName(name)
                    found += [Rpc(address, method) for method in service.methods]
    return found


def contracts() -> Iterator[str]:
    """Yield every method of the contracts, served or not."""
    for module in walk_packages(rpc.__path__, f"{rpc.__name__}."):
        if module.name.endswith("_pb2"):
            descriptor = import_module(module.name).DESCRIPTOR
            for service in descriptor.services_by_name.values():
                yield from (f"{service.full_name}/{method.name}" for method in service.methods)


def nothing_in(problems: Iterable[str | None]) -> None:
    """Assert that there were no problems, and show each there was."""
    found = [each for each in problems if each]
    assert not found, f"{len(found)} problems:\n" + "\n".join(found[:60])


async def gathered(jobs: Any, at_once: int = 12, kind: str = "requests") -> list[Any]:
    """Return the results of many jobs, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(job: Any) -> Any:
        async with gate:
            return await job

    found = await asyncio.gather(*(one(job) for job in jobs), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException):
            raise each
    sent[kind] += len(found)
    return list(found)
