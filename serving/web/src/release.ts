/**
 * Which models the page uses: `current.json` names a release, whose files never change.
 *
 * Every step is checked by digest: a release is named by the digest of its document, which names each model by the digest of its
 * `web.json`, which lists the digests of its files.
 */
import { ReleaseError, checked, load, open, parse, type Model, type Read } from "@playbook/javascript";

const VERSION = 1;
const DIGEST = /^[0-9a-f]{64}$/;

/** The released models, by task. */
export interface Release {
  digest: string;
  models: ReadonlyMap<string, Model>;
}

interface Document {
  version: number;
  tasks: Record<string, { model: string }>;
}

export interface Current {
  release: string;
  /** What was current before. */
  previous: string | null;
}

/** What `current.json` says now. */
export async function current(): Promise<Current> {
  const found = parse<Current>("current.json", await reader(".", "no-store")("current.json"));
  if (!DIGEST.test(found.release)) throw new ReleaseError("current.json names no release. Publish the models again.");
  return found;
}

/**
 * Every model of a release, ready to predict.
 *
 * @throws {ReleaseError} when a file is missing or damaged; no model is kept then.
 */
export async function release(digest: string, variant: string): Promise<Release> {
  const folder = `releases/${digest}`;
  const document = parse<Document>("release.json", await checked(reader(folder), "release.json", digest));
  if (document.version !== VERSION) {
    throw new ReleaseError(`release.json has version ${document.version}, this page reads ${VERSION}. Load the page again, or publish it again.`);
  }
  const models = new Map<string, Model>();
  try {
    for (const [task, { model }] of Object.entries(document.tasks)) {
      models.set(task, await load(await open(reader(`models/${model}`), variant, model)));
    }
  } catch (error) {
    for (const model of models.values()) model.dispose();
    throw error;
  }
  if (!models.size) throw new ReleaseError("the release holds no model. Publish the models again.");
  return { digest, models };
}

function reader(folder: string, cache: RequestCache = "default"): Read {
  return async (path) => {
    let response: Response;
    try {
      response = await fetch(`${folder}/${path}`, { cache });
    } catch {
      throw new ReleaseError(`${path} cannot be fetched. Check the connection and load the page again.`);
    }
    if (!response.ok) throw new ReleaseError(`${path} is not there (${response.status}).`);
    return new Uint8Array(await response.arrayBuffer());
  };
}
