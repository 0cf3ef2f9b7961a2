/** Serves a web bucket, or a folder laid out like one, on loopback. */
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";

import { reader } from "../../node/src/artifact.js";

const KINDS: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Serve `site` (`gs://bucket` or a folder) on `port`, 0 for a free one. */
export async function serve(site: string, port = 0): Promise<{ server: Server; address: string }> {
  const read = await reader(site);
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://site").pathname).slice(1) || "index.html";
    try {
      if (path.split("/").includes("..")) throw new Error("outside the site");
      const content = await read(path);
      response.writeHead(200, { "content-type": KINDS[extname(path)] ?? "application/octet-stream", "cache-control": "no-cache" }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}
