"""What every test may ask for: real servers, and the whole platform as processes."""

pytest_plugins = ("tests.servers", "tests.stack")
