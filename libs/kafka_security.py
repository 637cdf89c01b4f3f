"""Turn the security settings of Kafka, given as JSON, into what its client takes."""

import json
import ssl
from typing import Any

FILES = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_password")


def client_config(given: str) -> dict[str, Any]:
    """
    Return the keyword arguments for a Kafka client: those given, with a TLS context where TLS is asked for.

    The context trusts the system's authorities, or only `ssl_cafile`; it shows `ssl_certfile` to the broker.
    """
    config: dict[str, Any] = dict(json.loads(given)) if given else {}
    authority, certificate, key, password = (config.pop(name, None) for name in FILES)
    if str(config.get("security_protocol", "")).endswith("SSL"):
        context = ssl.create_default_context(cafile=authority)
        if certificate:
            context.load_cert_chain(certificate, key, password)
        config["ssl_context"] = context
    return config
