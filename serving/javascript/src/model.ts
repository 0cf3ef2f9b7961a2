/** A loaded model: `preprocessing.json` and a TensorFlow.js graph. */
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";

import { InstanceError, ReleaseError, prediction, type Instance, type Prediction } from "./contract.js";
import { preprocessor, type Batch, type Preprocessor } from "./preprocessing.js";
import type { Files } from "./release.js";

const LONGEST_TURN_MILLISECONDS = 50;

export interface Model extends Pick<Preprocessor, "kind" | "classes"> {
  /** What the model sees of the instances. */
  prepare(instances: readonly Instance[]): Promise<Batch>;
  /** The probabilities of each instance, one for each class. */
  probabilities(instances: readonly Instance[]): Promise<Float32Array[]>;
  /**
   * One prediction for each instance, in order.
   *
   * @throws {InstanceError} for the first instance that is malformed, too large or not what the model takes.
   */
  predict(instances: readonly Instance[]): Promise<Prediction[]>;
  dispose(): void;
}

/**
 * Load what `release.open` read.
 *
 * @throws {ReleaseError} when the files do not make a model that answers with one probability for each class.
 */
export async function load(files: Files): Promise<Model> {
  const prepared = preprocessor(files.preprocessing);
  const { classes } = prepared;
  const graph = await loadGraphModel({ load: () => Promise.resolve(files.model) });

  function run(values: Float32Array | Int32Array, shape: number[]): tf.Tensor {
    return tf.tidy(() => graph.predict(tf.tensor(values, shape, values instanceof Int32Array ? "int32" : "float32")) as tf.Tensor);
  }

  // The first run compiles; it also shows what the model answers.
  const { shape: [, ...sizes] = [], dtype } = graph.inputs[0]!;
  const count = sizes.reduce((product, size) => product * size, 1);
  const first = run(dtype === "int32" ? new Int32Array(count) : new Float32Array(count), [1, ...sizes]);
  first.dispose();
  if (first.size !== classes.length) {
    graph.dispose();
    throw new ReleaseError(`the model answers ${first.size} probabilities for ${classes.length} classes, so it was not loaded. Convert the model again.`);
  }

  async function probabilities(instances: readonly Instance[]): Promise<Float32Array[]> {
    if (!instances.length) return [];
    const { values, shape } = await prepared.batch(instances);
    const output = run(values, shape);
    const flat = (await output.data()) as Float32Array;
    output.dispose();
    return instances.map((_, row) => flat.subarray(row * classes.length, (row + 1) * classes.length));
  }

  async function one(instance: Instance, position: number): Promise<Prediction> {
    try {
      const [answer] = await probabilities([instance]);
      return prediction(classes, answer!);
    } catch (error) {
      throw error instanceof InstanceError ? new InstanceError(`instance ${position}: ${error.message}`) : error;
    }
  }

  return {
    kind: prepared.kind,
    classes,
    prepare: prepared.batch,
    probabilities,
    async predict(instances) {
      const predictions: Prediction[] = [];
      let began = performance.now();
      for (const [position, instance] of instances.entries()) {
        predictions.push(await one(instance, position));
        if (performance.now() - began > LONGEST_TURN_MILLISECONDS) {
          // There is one thread: health probes and other requests get their turn.
          await new Promise((resolve) => setTimeout(resolve));
          began = performance.now();
        }
      }
      return predictions;
    },
    dispose: () => graph.dispose(),
  };
}
