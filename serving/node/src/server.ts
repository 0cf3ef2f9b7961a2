/** `node serving/node/dist/server.js`: serves the converted model that the `AIP_*` variables name until it is told to stop. */
import cluster from "node:cluster";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { ReleaseError, load, open, start } from "@playbook/javascript";

import { application } from "./application.js";
import { folderReader, keeping, reader } from "./artifact.js";
import { log } from "./logs.js";
import { ServingError, settings, type Settings } from "./settings.js";

/** How long requests in flight may take after SIGTERM. */
const SHUTDOWN_MILLISECONDS = 10_000;
/** Longer than proxies keep an idle connection, so that they close it first and no request meets a closed one. */
const KEEP_ALIVE_MILLISECONDS = 75_000;
const CONNECTIONS = 512;
/** Where the primary process put the model for its workers. */
const FOLDER = "SERVING_FOLDER";

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { host: { type: "string" }, workers: { type: "string" } } });
  const host = values.host ?? process.env["SERVING_HOST"] ?? "127.0.0.1";
  const wanted = settings({ ...process.env, ...(values.workers && { WEB_CONCURRENCY: values.workers }) });
  const near = process.env[FOLDER];
  if (near) return serve(wanted, near, host);

  const folder = await mkdtemp(join(tmpdir(), "model-"));
  const early = (): never => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  };
  process.once("SIGTERM", early);
  try {
    await open(keeping(await reader(wanted.storageUri), folder), wanted.variant);
    process.off("SIGTERM", early);
    if (wanted.workers === 1) return await serve(wanted, folder, host);
    return await supervise(wanted, folder, host);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One process a core on one socket; the end of one is the end of all, so that a restart is a whole one. */
async function supervise(wanted: Settings, folder: string, host: string): Promise<number> {
  const workers = Array.from({ length: wanted.workers }, () => cluster.fork({ [FOLDER]: folder }));
  let told = false;
  const stop = (): void => workers.forEach((worker) => worker.process.kill("SIGTERM"));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      told = true;
      stop();
    });
  }
  const ready = Promise.all(workers.map((worker) => once(worker, "listening")));
  void ready.then(
    () => {
      // Loaded: nothing stays behind, however the server ends.
      rmSync(folder, { recursive: true, force: true });
      serving(wanted, host);
    },
    () => {},
  );
  await Promise.race(workers.map((worker) => once(worker, "exit")));
  if (!told) stop();
  await Promise.all(workers.map((worker) => worker.isDead() || once(worker, "exit")));
  return told ? 0 : 1;
}

/** Answer requests until a signal comes. */
async function serve(wanted: Settings, folder: string, host: string): Promise<number> {
  const stopped = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  await start("wasm", fileURLToPath(new URL(".", import.meta.url)));
  const model = await load(await open(folderReader(folder), wanted.variant));
  if (cluster.isPrimary) rmSync(folder, { recursive: true, force: true });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MILLISECONDS, noDelay: true }, application(wanted, model));
  server.maxConnections = CONNECTIONS;
  server.listen(wanted.port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new ServingError(`${host}:${wanted.port} cannot be listened on: ${(error as Error).message}. Set AIP_HTTP_PORT to a free port.`);
  }
  if (cluster.isPrimary) serving(wanted, host);
  await stopped;
  setTimeout(() => server.closeAllConnections(), SHUTDOWN_MILLISECONDS).unref();
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  await closed;
  return 0;
}

function serving({ storageUri, variant, port, workers }: Settings, host: string): void {
  log("INFO", `serving ${storageUri} (${variant}) on ${host}:${port} with ${workers} workers`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ServingError || error instanceof ReleaseError)) throw error;
  log("ERROR", error.message);
  process.exitCode = 1;
}
// Idle keep-alive timers of libraries are no reason to stay.
process.exit();
