# The prediction server behind every endpoint: no TensorFlow, no SDK but Cloud Storage.
# The tag says what is meant; images.cloudbuild.yaml resolves it to a digest and passes that as BASE.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS packages
ARG SLICE=serving
COPY cloudbuild/requirements-${SLICE}.lock /tmp/requirements.lock
# --no-deps: the lock is complete, and it overrides pins that the packages declare (see pyproject.toml).
RUN python -m venv /opt/packages && /opt/packages/bin/pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.lock

FROM ${BASE}
RUN useradd --uid 10001 --create-home app
COPY --from=packages /opt/packages /opt/packages
WORKDIR /app
COPY ml/__init__.py ml/
COPY ml/export ml/export
COPY serving/__init__.py serving/
COPY serving/python serving/python
# Vertex AI reaches the container from outside; everywhere else the server stays on loopback.
ENV PATH=/opt/packages/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 SERVING_HOST=0.0.0.0
USER 10001
ENTRYPOINT ["python", "-m", "serving.python"]
