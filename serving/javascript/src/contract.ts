/** What clients send and what models answer; the same words as `serving/python`. */

/** An instance of a request. Within one process an encoded picture may also be given as its bytes. */
export type Instance = Uint8Array | { b64: string } | { text: string } | string;

export interface Prediction {
  label: string;
  confidence: number;
  scores: Record<string, number>;
}

/** An instance is not what the model takes; the message can be sent back to the client. */
export class InstanceError extends Error {
  override name = "InstanceError";
}

/** A model's files cannot be used; the message is complete and meant for people. */
export class ReleaseError extends Error {
  override name = "ReleaseError";
}

/** The prediction that `probabilities`, one for each class, stand for. */
export function prediction(classes: readonly string[], probabilities: ArrayLike<number>): Prediction {
  let best = 0;
  for (let at = 1; at < classes.length; at++) if (probabilities[at]! > probabilities[best]!) best = at;
  return {
    label: classes[best]!,
    confidence: probabilities[best]!,
    scores: Object.fromEntries(classes.map((name, at) => [name, probabilities[at]!])),
  };
}
