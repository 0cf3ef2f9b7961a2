/** What TensorFlow.js computes with: WebAssembly, or plain JavaScript and WebGL where one wants to compare. */
import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { env, ready, setBackend } from "@tensorflow/tfjs-core";

/** Backends that are in every bundle. */
export const BACKENDS = ["wasm", "cpu"] as const;
export type Backend = (typeof BACKENDS)[number] | "webgl";

/**
 * Start a backend; one that is not among `BACKENDS` has to be imported before.
 *
 * @param folder Path or address, with its slash, of the folder with the WebAssembly files.
 */
export async function start(backend: Backend, folder: string): Promise<void> {
  // Models of this size lose more by handing work to threads than they gain.
  env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  setWasmPaths(folder);
  if (!(await setBackend(backend))) throw new Error(`TensorFlow.js cannot start its backend ${backend} with the files in ${folder}.`);
  await ready();
}
