/** A converted model's files, each checked against the digest that `web.json` lists before anything is made of them. */
import type { io } from "@tensorflow/tfjs-core";

import { ReleaseError } from "./contract.js";

const VERSION = 1;

/** Reads a file of a folder, by its path below that folder. */
export type Read = (path: string) => Promise<Uint8Array<ArrayBuffer>>;

export interface Files {
  model: io.ModelArtifacts;
  preprocessing: unknown;
}

interface Web {
  version: number;
  files: Record<string, string>;
  variants: Record<string, { bytes: number; files: Record<string, string> }>;
}

/**
 * The files of one variant of a converted model (`ml.export.tfjs` writes the folder).
 *
 * @param digest Of `web.json`, where the caller knows it from a release.
 * @throws {ReleaseError} when a file is missing or is not the one that was converted.
 */
export async function open(read: Read, variant: string, digest?: string): Promise<Files> {
  const web = parse<Web>("web.json", await checked(read, "web.json", digest));
  if (web.version !== VERSION) {
    throw new ReleaseError(`web.json has version ${web.version}, this code reads ${VERSION}, so the model was not loaded. Convert the model again.`);
  }
  const files = web.variants?.[variant]?.files;
  if (!files) {
    const known = Object.keys(web.variants ?? {}).join(", ") || "none";
    throw new ReleaseError(`there is no variant ${JSON.stringify(variant)} (there are ${known}), so the model was not loaded. Name one of them.`);
  }
  const [preprocessing, topology] = await Promise.all([
    checked(read, "preprocessing.json", web.files?.["preprocessing.json"] ?? ""),
    checked(read, `${variant}/model.json`, files["model.json"] ?? ""),
  ]);
  const model = parse<io.ModelJSON>("model.json", topology);
  const paths = model.weightsManifest.flatMap((group) => group.paths);
  const weights = await Promise.all(paths.map((path) => checked(read, `${variant}/${path}`, files[path] ?? "")));
  return {
    preprocessing: parse("preprocessing.json", preprocessing),
    model: {
      modelTopology: model.modelTopology,
      ...(model.signature && { signature: model.signature }),
      weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
      weightData: joined(weights),
    },
  };
}

/** A file, when its digest is the expected one; `undefined` expects nothing. */
export async function checked(read: Read, path: string, expected: string | undefined): Promise<Uint8Array<ArrayBuffer>> {
  const content = await read(path);
  if (expected !== undefined && (await sha256(content)) !== expected) {
    throw new ReleaseError(`${path} is damaged or is another file than the one that was released, so the model was not loaded. Publish the release again.`);
  }
  return content;
}

export function parse<Document>(path: string, content: Uint8Array): Document {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content)) as Document;
  } catch {
    throw new ReleaseError(`${path} is not JSON, so the model was not loaded. Publish the release again.`);
  }
}

async function sha256(content: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", content);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function joined(parts: readonly Uint8Array[]): ArrayBuffer {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result.buffer;
}
