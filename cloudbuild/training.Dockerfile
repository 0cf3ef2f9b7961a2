# Steps that learn and measure: preprocess, train, evaluate.
# The tag says what is meant; images.cloudbuild.yaml resolves it to a digest and passes that as BASE.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS packages
ARG SLICE=training
COPY cloudbuild/requirements-${SLICE}.lock /tmp/requirements.lock
# --no-deps: the lock is complete, and it overrides pins that the packages declare (see pyproject.toml).
RUN python -m venv /opt/packages && /opt/packages/bin/pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.lock

FROM ${BASE}
RUN useradd --uid 10001 --create-home app
COPY --from=packages /opt/packages /opt/packages
WORKDIR /app
COPY environments environments
COPY ml ml
ENV PATH=/opt/packages/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1
USER 10001
ENTRYPOINT ["python", "-m", "kfp.dsl.executor_main"]
