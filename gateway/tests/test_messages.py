"""Messages of the services as JSON."""

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.messages import add_schema, example, plain
from libs.rpc.analytics.v1.analytics_pb2 import Row
from libs.rpc.crm_context.v1.crm_context_pb2 import Customer
from libs.rpc.session.v1.session_pb2 import Survey
from libs.structs import struct_of


def test_it_keeps_whole_numbers_whole_and_leaves_out_what_is_not_set() -> None:
    customer = Customer(customer_id="cu-1", version=2**40, profile=struct_of({"age": 40, "tags": ["a"]}))
    customer.created_at.CopyFrom(Timestamp(seconds=1772452740, nanos=5_000_000))

    found = plain(customer)

    assert (found["version"], found["profile"]) == (2**40, {"age": 40, "tags": ["a"]})
    assert found["created_at"] == "2026-03-02T11:59:00.005Z"
    assert (found["vip_level"], found["masked"], found["identities"]) == (0, False, [])
    assert "updated_at" not in found


def test_it_tells_an_answer_of_zero_from_none() -> None:
    assert plain(Survey(nps=0))["nps"] == 0
    assert "csat" not in plain(Survey(nps=0))


def test_it_gives_figures_by_name() -> None:
    assert plain(Row(figures={"asa_ms": 1.5}))["figures"] == {"asa_ms": 1.5}


def test_it_describes_messages_with_those_within() -> None:
    schemas: dict[str, object] = {}

    add_schema(Customer.DESCRIPTOR, schemas)

    assert {"crm_context.Customer", "common.Identity"} <= set(schemas)
    assert example(Customer.DESCRIPTOR)["identities"] == [{"kind": "phone", "value": "+8613800000001"}]
