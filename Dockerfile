# One image for every process: docker run trunkline services.routing, docker run trunkline gateway, ...
# It holds the platform and its locked packages only; Kafka, MongoDB and the object store are given by address.

FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.lock /build/requirements.lock
RUN /opt/venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r /build/requirements.lock \
    && /opt/venv/bin/pip check \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="trunkline" \
      org.opencontainers.image.description="A contact-centre platform around a customer-journey data bus" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 trunkline \
    && useradd --uid 10001 --gid trunkline --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trunkline \
    && install --directory --owner trunkline --group trunkline /var/lib/trunkline
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY libs libs
COPY services services
COPY gateway gateway
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRUNKLINE_HOST=0.0.0.0 \
    TRUNKLINE_DATA_DIR=/var/lib/trunkline
# The root file system is read-only in production, so what Python would cache is compiled here.
RUN python -m compileall -q -j 0 /app
USER 10001:10001
STOPSIGNAL SIGTERM
EXPOSE 8080
ENTRYPOINT ["python", "-m"]
CMD ["gateway"]
