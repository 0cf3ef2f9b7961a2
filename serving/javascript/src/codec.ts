/** Decoders compiled to WebAssembly: compiled when the first picture asks for them, started anew after a failure. */
import type { Raster } from "./picture.js";

interface Decoder {
  binary: Uint8Array<ArrayBuffer>;
  init(module: WebAssembly.Module): Promise<void>;
  decode(encoded: ArrayBuffer): Promise<ImageData>;
}

/** A function that decodes with what `load` brings. */
export function codec(load: () => Promise<Decoder>): (encoded: Uint8Array) => Promise<Raster> {
  let loading: Promise<{ decoder: Decoder; module: WebAssembly.Module }> | undefined;
  return async (encoded) => {
    loading ??= load().then(async (decoder) => {
      const module = await WebAssembly.compile(decoder.binary);
      await decoder.init(module);
      return { decoder, module };
    });
    const { decoder, module } = await loading;
    try {
      const { width, height, data } = await decoder.decode(encoded.slice().buffer);
      return { width, height, rgba: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
    } catch (error) {
      // What it left in its memory is not to be relied on.
      await decoder.init(module);
      throw error;
    }
  };
}
