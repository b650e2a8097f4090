FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# The locked packages first: they change more seldom than the source.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/aibridge \
    && /opt/aibridge/bin/pip install --require-hashes --requirement requirements/runtime.txt \
    && pip install --require-hashes --requirement requirements/build.txt

COPY pyproject.toml LICENSE README.md ./
COPY aibridge aibridge
RUN pip wheel --no-build-isolation --no-deps --wheel-dir dist . \
    && /opt/aibridge/bin/pip install --no-deps --no-index dist/*.whl


FROM python:3.13-slim

# Numeric, so that an orchestrator can see that it is not root; no shell, no home.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin aibridge \
    && install --directory --owner=10001 --group=10001 /data \
    && install --directory /etc/aibridge \
    && echo '{}' > /etc/aibridge/aibridge.yaml
COPY --from=build /opt/aibridge /opt/aibridge

# It listens beyond loopback here, so callers must hold a key of the gateway: `aibridge keys create`.
ENV PATH=/opt/aibridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AIBRIDGE_CONFIG=/etc/aibridge/aibridge.yaml \
    AIBRIDGE_AUTH__MODE=keys

# The default database is a file of the working directory.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080

HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('AIBRIDGE_SERVER__PORT', 8080)), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["aibridge"]
CMD ["serve", "--host", "0.0.0.0"]
