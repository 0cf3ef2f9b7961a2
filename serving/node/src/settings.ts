/** What Vertex AI tells the container through its environment. */
import { availableParallelism } from "node:os";

/** The server cannot start; the message is complete and meant for people. */
export class ServingError extends Error {
  override name = "ServingError";
}

/** More workers only help on machines that serve nothing else; WEB_CONCURRENCY says so. */
const MOST_WORKERS = 4;

/** The container contract: where to listen, which routes to answer, where the model lies. */
export interface Settings {
  port: number;
  healthRoute: string;
  predictRoute: string;
  /** `gs://bucket/folder`, or a plain folder. */
  storageUri: string;
  /** Which of the converted model's variants answers. */
  variant: string;
  workers: number;
}

/**
 * Settings from the `AIP_*` variables.
 *
 * @throws {ServingError} when no model is named, or a number is none.
 */
export function settings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const storageUri = environment["AIP_STORAGE_URI"];
  if (!storageUri) {
    throw new ServingError(
      "AIP_STORAGE_URI is not set, so there is no model to serve. Set it to a gs:// folder or a local folder with web.json, as ml.export.tfjs writes it.",
    );
  }
  const port = environment["AIP_HTTP_PORT"] ?? "8080";
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    throw new ServingError(`AIP_HTTP_PORT is '${port}', which no server can listen on. Set it to a number from 1 to 65535.`);
  }
  const workers = environment["WEB_CONCURRENCY"] || String(Math.min(availableParallelism(), MOST_WORKERS));
  if (!/^\d+$/.test(workers) || Number(workers) < 1) {
    throw new ServingError(`WEB_CONCURRENCY is '${workers}', which is no number of workers. Set it to 1 or more, or unset it.`);
  }
  return {
    port: Number(port),
    healthRoute: environment["AIP_HEALTH_ROUTE"] ?? "/health",
    predictRoute: environment["AIP_PREDICT_ROUTE"] ?? "/predict",
    storageUri,
    variant: environment["SERVING_VARIANT"] ?? "float32",
    workers: Number(workers),
  };
}
