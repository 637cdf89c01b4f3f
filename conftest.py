"""What every test may ask for: real servers, and the whole platform as processes."""

from hypothesis import settings

pytest_plugins = ("tests.servers", "tests.stack")

# Tests never assert wall-clock times: a busy machine is no defect.
settings.register_profile("trunkline", deadline=None)
settings.load_profile("trunkline")
