/**
 * What the Node server and the web page share: the container contract, the preprocessing and the loaded model.
 *
 * Start reading: `preprocessing.ts`, the counterpart of `ml/export/preprocessing.py`.
 */
export { BACKENDS, start, type Backend } from "./backend.js";
export { InstanceError, ReleaseError, type Instance, type Prediction } from "./contract.js";
export { load, type Model } from "./model.js";
export { preprocessor, type Batch, type Preprocessor } from "./preprocessing.js";
export { checked, open, parse, type Files, type Read } from "./release.js";
