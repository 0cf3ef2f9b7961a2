/** Reads the files of a converted model from a folder or from Cloud Storage. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { Read } from "@playbook/javascript";

import { ServingError } from "./settings.js";

/** Files below `uri`, which is a `gs://` address or a plain folder. */
export async function reader(uri: string): Promise<Read> {
  return uri.startsWith("gs://") ? bucketReader(uri) : folderReader(uri);
}

export function folderReader(folder: string): Read {
  return async (path) => {
    try {
      return new Uint8Array(await readFile(join(folder, path)));
    } catch (error) {
      throw missing(path, folder, error);
    }
  };
}

async function bucketReader(uri: string): Promise<Read> {
  // The library is large; a server that reads a folder starts without it.
  const { Storage } = await import("@google-cloud/storage");
  const [name, ...folder] = uri.slice("gs://".length).replace(/\/+$/, "").split("/");
  const bucket = new Storage().bucket(name!);
  return async (path) => {
    try {
      const [content] = await bucket.file([...folder, path].join("/")).download();
      return new Uint8Array(content);
    } catch (error) {
      throw missing(path, uri, error);
    }
  };
}

/** The same files, each also written below `folder`, for the workers. */
export function keeping(read: Read, folder: string): Read {
  return async (path) => {
    const content = await read(path);
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
    return content;
  };
}

function missing(path: string, uri: string, cause: unknown): ServingError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new ServingError(
    `${path} cannot be read from ${uri}, so nothing can be served: ${said.split("\n")[0]}. ` +
      "Register a model that ml.export.tfjs converted, and let the serving account read its bucket.",
  );
}
