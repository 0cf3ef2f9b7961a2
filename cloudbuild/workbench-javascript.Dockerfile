# Notebooks in JavaScript: Google's Workbench container with Node, a Jupyter kernel for it, and TensorFlow.js.
# The tag says what is meant; images.cloudbuild.yaml resolves it to a digest and passes that as BASE.
ARG BASE=gcr.io/deeplearning-platform-release/workbench-container:20250609-2200-rc0

FROM ${BASE}
USER root
COPY requirements-node.lock /tmp/
# Linked by name: the virtual environment's own Python must not take the place of the one that Jupyter runs on.
RUN python3 -m venv /opt/node && \
    /opt/node/bin/pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements-node.lock && \
    ln -s /opt/node/bin/node /opt/node/bin/npm /opt/node/bin/npx /usr/local/bin/
WORKDIR /opt/notebooks
COPY cloudbuild/notebooks/package.json cloudbuild/notebooks/package-lock.json .npmrc ./
# The lock holds a digest for each package, and npm ci installs nothing else.
RUN npm ci
# Where every Jupyter looks for kernels, whoever runs it.
RUN node_modules/.bin/tslab install --prefix /usr/local --binary /opt/notebooks/node_modules/.bin/tslab
ENV NODE_PATH=/opt/notebooks/node_modules
# No ENTRYPOINT and no USER: the base starts Jupyter as Workbench's proxy expects it, and Workbench says under whom.
WORKDIR /home/jupyter
