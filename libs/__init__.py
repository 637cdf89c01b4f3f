"""What every service stands on: contracts, the bus, stored state, serving and telemetry."""
