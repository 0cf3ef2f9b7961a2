/**
 * `node serving/node/dist/predict.js --model DIR [--variant float32]… [--backend wasm]`: raw instances in, probabilities out, both as
 * JSON lines: every instance by the first variant, then every one by the next. An instance that is refused gets `{"error": "…"}`.
 */
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { BACKENDS, InstanceError, ReleaseError, load, open, start, type Instance, type Model } from "@playbook/javascript";

import { reader } from "./artifact.js";
import { ServingError } from "./settings.js";

const BATCH = 64;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { model: { type: "string" }, variant: { type: "string", multiple: true, default: ["float32"] }, backend: { type: "string", default: "wasm" } },
  });
  if (!values.model) throw new ServingError("no model is named, so nothing can be predicted. Add --model DIR, a folder that ml.export.tfjs wrote.");
  const backend = BACKENDS.find((name) => name === values.backend);
  if (!backend) throw new ServingError(`there is no backend '${values.backend}'. Use --backend ${BACKENDS.join(" or ")}.`);
  await start(backend, fileURLToPath(new URL(".", import.meta.url)));
  const instances: Instance[] = [];
  for await (const line of createInterface({ input: process.stdin })) if (line) instances.push(JSON.parse(line) as Instance);

  for (const variant of values.variant) {
    const model = await load(await open(await reader(values.model), variant));
    for (let at = 0; at < instances.length; at += BATCH) await answer(model, instances.slice(at, at + BATCH));
  }
}

async function answer(model: Model, instances: readonly Instance[]): Promise<void> {
  let lines: string[];
  try {
    lines = (await model.probabilities(instances)).map((probabilities) => JSON.stringify(Array.from(probabilities)));
  } catch (error) {
    if (!(error instanceof InstanceError)) throw error;
    if (instances.length > 1) {
      for (const instance of instances) await answer(model, [instance]);
      return;
    }
    lines = [JSON.stringify({ error: error.message })];
  }
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

try {
  await main();
} catch (error) {
  const known = error instanceof ServingError || error instanceof ReleaseError || error instanceof SyntaxError;
  if (!known) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 1;
}
