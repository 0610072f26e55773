# syntax=docker/dockerfile:1
# Stepwell in a container: no compiler, no root, no secret inside. The root file system may be read-only:
#
#   docker run --read-only --tmpfs /tmp --env STEPWELL_DATABASE_URL=postgresql://… \
#              --volume ./bots:/scripts:ro --publish 9464:9464 stepwell
#
# The address may also come as a file: mount a folder with `database-url` and name it in CREDENTIALS_DIRECTORY.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/stepwell
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY daemon daemon
COPY sql sql
COPY config config
COPY examples examples
RUN /opt/stepwell/bin/pip install .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Stepwell" \
      org.opencontainers.image.description="Durable BASIC conversations on PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --home-dir /var/lib/stepwell --create-home --shell /usr/sbin/nologin stepwell
COPY --from=build /opt/stepwell /opt/stepwell
ENV PATH=/opt/stepwell/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STEPWELL_HTTP_LISTEN=0.0.0.0:9464 \
    STEPWELL_SCRIPTS_DIRECTORY=/scripts
USER 10001:10001
WORKDIR /var/lib/stepwell
VOLUME ["/var/lib/stepwell"]
EXPOSE 9464
STOPSIGNAL SIGTERM
# Health, not readiness: a database that is away is no reason to kill the container.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]
ENTRYPOINT ["stepwell"]
CMD ["up"]
