# The prediction server on Node: TensorFlow.js in WebAssembly, and nothing but its bundle.
# The tag says what is meant; images.cloudbuild.yaml resolves it to a digest and passes that as BASE.
ARG BASE=node:22.20.0-bookworm-slim

FROM ${BASE} AS bundle
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY serving/javascript/package.json serving/javascript/
COPY serving/node/package.json serving/node/
COPY serving/web/package.json serving/web/
# The lock holds a digest for each package, and npm ci installs nothing else.
RUN npm ci
COPY serving/build.mjs serving/
COPY serving/javascript/src serving/javascript/src
COPY serving/node/src serving/node/src
RUN node serving/build.mjs node

FROM ${BASE}
RUN useradd --uid 10001 --create-home app
WORKDIR /app
COPY --from=bundle /app/serving/node/dist serving/node/dist
# Vertex AI reaches the container from outside; everywhere else the server stays on loopback.
ENV NODE_ENV=production SERVING_HOST=0.0.0.0
USER 10001
ENTRYPOINT ["node", "serving/node/dist/server.js"]
