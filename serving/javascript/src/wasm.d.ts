/** esbuild puts WebAssembly into the bundle as bytes. */
declare module "*.wasm" {
  const binary: Uint8Array<ArrayBuffer>;
  export default binary;
}
