/** Speaks the prediction contract over HTTP: `{"instances": […]}` in, `{"predictions": […]}` or `{"error": "…"}` out. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

import { InstanceError, type Instance, type Model } from "@playbook/javascript";

import { log } from "./logs.js";
import type { Settings } from "./settings.js";

/** Bytes; what a dedicated Vertex AI endpoint lets through. */
const BODY_LIMIT = 10 * 2 ** 20;
const INSTANCES_LIMIT = 256;
/** How long a client may go on sending a body that was refused, so that it sees the answer before the connection ends. */
const LINGER_MILLISECONDS = 1000;

/** A request that is refused; the message goes to the caller. */
class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function application(settings: Pick<Settings, "healthRoute" | "predictRoute">, model: Pick<Model, "predict">): RequestListener {
  const routes: Record<string, Record<string, (request: IncomingMessage) => Promise<unknown>>> = {
    [settings.healthRoute]: { GET: health, HEAD: health },
    [settings.predictRoute]: { POST: predict },
  };

  async function health(): Promise<unknown> {
    return { status: "ready" };
  }

  async function predict(request: IncomingMessage): Promise<unknown> {
    return { predictions: await model.predict(instances(await body(request))) };
  }

  async function answer(request: IncomingMessage, path: string): Promise<unknown> {
    const methods = Object.hasOwn(routes, path) ? routes[path]! : undefined;
    if (!methods) throw new Refused(404, "Not Found");
    const handler = Object.hasOwn(methods, request.method!) ? methods[request.method!] : undefined;
    if (!handler) throw new Refused(405, "Method Not Allowed");
    return handler(request);
  }

  return async (request, response) => {
    const started = performance.now();
    const path = request.url!.split("?")[0]!;
    let [status, failure, content]: [number, string, unknown] = [200, "", undefined];
    try {
      content = await answer(request, path);
    } catch (error) {
      const known = error instanceof Refused || error instanceof InstanceError;
      status = error instanceof Refused ? error.status : error instanceof InstanceError ? 400 : 500;
      // What went wrong is for the log; the caller learns nothing about files or code.
      content = { error: known ? error.message : "internal error" };
      if (!known) failure = String(error);
    }
    const size = send(request, response, status, content);
    if (path === settings.healthRoute && status === 200) return;
    log(status >= 500 ? "ERROR" : status >= 400 ? "WARNING" : "INFO", failure || "request", {
      httpRequest: {
        requestMethod: request.method,
        requestUrl: path,
        status,
        responseSize: String(size),
        latency: `${((performance.now() - started) / 1000).toFixed(6)}s`,
      },
    });
  };
}

/** The request's body, refused as soon as it is seen to be too large. */
async function body(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = new Refused(413, `the body is larger than ${BODY_LIMIT} bytes; send fewer or smaller instances`);
  if (Number(request.headers["content-length"] ?? 0) > BODY_LIMIT) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  // Not destroyed when the loop is left early: the refusal still has to go out.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > BODY_LIMIT) throw tooLarge;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function instances(content: Buffer): Instance[] {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content));
  } catch {
    throw new Refused(400, 'the body is not JSON; send {"instances": […]}');
  }
  const found = typeof document === "object" && document !== null && !Array.isArray(document) ? (document as { instances?: unknown }).instances : undefined;
  if (!Array.isArray(found) || !found.length) {
    throw new Refused(400, 'the body holds no instances; send {"instances": […]} with at least one');
  }
  if (found.length > INSTANCES_LIMIT) throw new Refused(400, `${found.length} instances in one request; send at most ${INSTANCES_LIMIT}`);
  return found;
}

/** Send an answer; returns the bytes of its body. */
function send(request: IncomingMessage, response: ServerResponse, status: number, content: unknown): number {
  const text = JSON.stringify(content);
  const size = Buffer.byteLength(text);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": size,
    ...(!request.complete && { connection: "close" }),
  });
  if (request.complete) {
    response.end(text);
    return size;
  }
  // A connection that is closed under a client that still sends loses the answer.
  response.write(text);
  const patience = setTimeout(() => request.destroy(), LINGER_MILLISECONDS);
  request.once("end", () => response.end()).once("close", () => clearTimeout(patience)).resume();
  return size;
}
