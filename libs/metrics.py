"""Every metric of the platform, declared once; names follow Prometheus' conventions."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

consumed = Counter("trunkline_bus_consumed_total", "Records read from a topic.", ["topic"])
skipped = Counter("trunkline_bus_skipped_total", "Records of types this reader does not want.", ["topic"])
dead_letters = Counter("trunkline_bus_dead_letters_total", "Records set aside.", ["topic", "reason"])
published = Counter("trunkline_bus_published_total", "Records written durably.", ["topic"])
lag = Gauge("trunkline_bus_lag", "Records of a partition not yet read.", ["group", "topic", "partition"])
bus_retries = Counter("trunkline_bus_retries_total", "Batches tried again after a passing fault.", ["group"])
batch_seconds = Histogram(
    "trunkline_bus_batch_seconds", "Time to handle one batch.", ["group"], buckets=_SECONDS
)

applied = Counter("trunkline_apply_applied_total", "Events applied to an aggregate.", ["store"])
repeated = Counter("trunkline_apply_repeated_total", "Events already applied before.", ["store"])
conflicts = Counter("trunkline_apply_conflicts_total", "Writes refused by the version guard.", ["store"])
retold = Counter("trunkline_apply_retold_total", "Facts told again after a fault.", ["store"])
apply_seconds = Histogram("trunkline_apply_seconds", "Time to apply one batch.", ["store"], buckets=_SECONDS)

rpc_seconds = Histogram("trunkline_rpc_seconds", "Time of a gRPC call.", ["method", "code"], buckets=_SECONDS)
http_seconds = Histogram(
    "trunkline_http_request_seconds",
    "Time of an HTTP request.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)
ingested = Counter("trunkline_ingest_events_total", "Events accepted at the gateway.", ["type"])
refused = Counter("trunkline_ingest_refused_total", "Events refused at the gateway.", ["reason"])
sockets_open = Gauge("trunkline_sockets_open", "Open WebSockets.", ["kind"])
frames_sent = Counter("trunkline_socket_frames_total", "Frames sent to WebSockets.", ["kind"])
slow_readers = Counter("trunkline_socket_slow_readers_total", "WebSockets closed for not reading.", ["kind"])
gaps_told = Counter("trunkline_socket_gaps_total", "Clients told that frames are gone.", ["kind", "why"])

contacts_waiting = Gauge("trunkline_contacts_waiting", "Contacts waiting for an agent.", ["tenant", "queue"])
agents_in_state = Gauge("trunkline_agents", "Signed-in agents by state.", ["tenant", "state"])
archived = Counter("trunkline_archive_events_total", "Events written to the archive.", ["topic"])

audit_open = Gauge("trunkline_audit_contacts_open", "Contacts without a terminal state.", ["tenant"])
audit_overdue = Gauge(
    "trunkline_audit_contacts_overdue", "Contacts that miss what should have followed.", ["tenant"]
)
audit_breaches = Gauge("trunkline_audit_breaches", "Breaches that are not mended.", ["tenant", "rule"])
