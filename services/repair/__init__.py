"""The repair service: dead letters, looked at, repaired, replayed once or discarded, each with an audit."""
