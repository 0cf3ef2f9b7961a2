/** What a client sends → what the model sees: the JavaScript reader of `preprocessing.json`, to the last bit like `ml.export.preprocessing`. */
import { InstanceError, ReleaseError, type Instance } from "./contract.js";
import { channelled, decode } from "./picture.js";
import { resize } from "./resize.js";
import { blank, pairs, tokens } from "./tokens.js";

const VERSION = 1;
/** Token ids: nothing, a word outside the vocabulary, the vocabulary's first entry. */
const PADDING = 0;
const UNKNOWN = 1;
const FIRST_WORD = 2;

/** Model inputs: `values` of the given `shape`, whose first number counts the instances. */
export interface Batch {
  values: Float32Array | Int32Array;
  shape: number[];
}

export interface Preprocessor {
  readonly kind: "image_classification" | "text_classification";
  readonly classes: readonly string[];
  /**
   * Prepare instances.
   *
   * @throws {InstanceError} for the first one that is not what the model takes.
   */
  batch(instances: readonly Instance[]): Promise<Batch>;
}

interface Images {
  version: number;
  kind: "image_classification";
  classes: string[];
  size: number;
  channels: 1 | 3;
  weight_steps: number;
}

interface Texts {
  version: number;
  kind: "text_classification";
  classes: string[];
  token: { javascript: string };
  length: number;
  vocabulary: string[];
}

/**
 * The preprocessor that was exported with a model.
 *
 * @throws {ReleaseError} when the document was written by another version, for a kind that is not known here, or is not whole.
 */
export function preprocessor(document: unknown): Preprocessor {
  const content = (typeof document === "object" && document !== null ? document : {}) as Partial<Images> | Partial<Texts>;
  if (content.version !== VERSION) {
    throw new ReleaseError(
      `preprocessing.json has version ${content.version}, this code reads ${VERSION}: predictions would silently differ from those that ` +
        "were evaluated. Export the model again, or serve it with the release that it was registered with.",
    );
  }
  if (!named(content.classes) || !content.classes.length) throw incomplete("classes");
  switch (content.kind) {
    case "image_classification":
      if (!positive(content.size)) throw incomplete("size");
      if (content.channels !== 1 && content.channels !== 3) throw incomplete("channels");
      if (!positive(content.weight_steps)) throw incomplete("weight_steps");
      return images(content as Images);
    case "text_classification":
      if (!named(content.vocabulary)) throw incomplete("vocabulary");
      if (!positive(content.length)) throw incomplete("length");
      if (typeof content.token?.javascript !== "string") throw incomplete("token");
      return texts(content as Texts);
    default:
      throw new ReleaseError("preprocessing.json is for a kind of model that this code cannot prepare. Serve it with the release that it was registered with.");
  }
}

function images({ kind, classes, size, channels, weight_steps }: Images): Preprocessor {
  return {
    kind,
    classes,
    async batch(instances) {
      const stride = size * size * channels;
      const values = new Float32Array(instances.length * stride);
      for (const [row, instance] of instances.entries()) {
        const raster = await decode(encoded(instance));
        const pixels = resize(channelled(raster, channels), raster.height, raster.width, channels, size, weight_steps);
        for (let at = 0; at < stride; at++) values[row * stride + at] = pixels[at]! / 255;
      }
      return { values, shape: [instances.length, size, size, channels] };
    },
  };
}

function texts({ kind, classes, vocabulary, length, token }: Texts): Preprocessor {
  const ids = new Map(vocabulary.map((entry, at) => [entry, FIRST_WORD + at]));
  return {
    kind,
    classes,
    async batch(instances) {
      const values = new Int32Array(instances.length * 2 * length).fill(PADDING);
      for (const [row, instance] of instances.entries()) {
        const words = tokens(textOf(instance), token.javascript).slice(0, length);
        words.forEach((word, at) => (values[row * 2 * length + at] = ids.get(word) ?? UNKNOWN));
        // A pair that is not in the vocabulary says nothing beyond its words, so it stays padding.
        pairs(words).forEach((pair, at) => (values[(row * 2 + 1) * length + at] = ids.get(pair) ?? PADDING));
      }
      return { values, shape: [instances.length, 2 * length] };
    },
  };
}

function encoded(instance: Instance): Uint8Array {
  if (instance instanceof Uint8Array) return instance;
  const b64 = member(instance, "b64");
  if (typeof b64 !== "string") throw new InstanceError('a picture is sent as {"b64": "<the encoded file in base64>"}');
  if (b64.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(b64)) throw new InstanceError("b64 is not base64");
  const binary = atob(b64);
  return Uint8Array.from({ length: binary.length }, (_, at) => binary.charCodeAt(at));
}

function textOf(instance: Instance): string {
  const text = typeof instance === "string" ? instance : member(instance, "text");
  if (typeof text !== "string") throw new InstanceError('a text is sent as {"text": "…"} or as a plain string');
  if (blank(text)) throw new InstanceError("the text is empty");
  return text;
}

/** A member of what a client sent, which may be anything. */
function member(instance: unknown, name: string): unknown {
  return typeof instance === "object" && instance !== null && Object.hasOwn(instance, name) ? (instance as Record<string, unknown>)[name] : undefined;
}

function named(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

function positive(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}

function incomplete(member: string): ReleaseError {
  return new ReleaseError(`preprocessing.json has no usable ${JSON.stringify(member)}, so inputs cannot be prepared. Export the model again.`);
}
