"""What the real routing decides, under random requests, breaks none of the audit's rules."""

from hypothesis import HealthCheck, settings

from services.audit.domain.verdict import audit
from services.routing.tests.test_properties import PoolMachine


class AuditedPool(PoolMachine):
    """A pool whose facts go to the audit at the end, numbered as they are when they are saved."""

    def teardown(self) -> None:
        log = [each._replace(sequence=number) for number, each in enumerate(self.floor.told, 1)]
        assert audit(log, ended=False) == []


TestAuditedPool = AuditedPool.TestCase
TestAuditedPool.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
