/** WebP → RGBA bytes, by libwebp compiled to WebAssembly. https://developers.google.com/speed/webp/docs/riff_container */
import { codec } from "./codec.js";
import type { Chunk, Header } from "./picture.js";

export function header(encoded: Uint8Array): Header {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const chunks: Chunk[] = [];
  for (let at = 12; at + 8 <= encoded.length; ) {
    const length = view.getUint32(at + 4, true);
    chunks.push({ name: String.fromCharCode(...encoded.subarray(at, at + 4)), content: encoded.subarray(at + 8, at + 8 + length) });
    at += 8 + length + (length & 1);
  }
  if (chunks.some(({ name }) => name === "ANIM")) throw new Error("it is animated; send one of its pictures");
  const exif = chunks.find(({ name }) => name === "EXIF")?.content;
  const lossy = chunks.find(({ name }) => name === "VP8 ")?.content;
  const lossless = chunks.find(({ name }) => name === "VP8L")?.content;
  if (lossy && lossy.length > 10) {
    return { width: (lossy[6]! | (lossy[7]! << 8)) & 0x3fff, height: (lossy[8]! | (lossy[9]! << 8)) & 0x3fff, exif };
  }
  if (lossless && lossless.length > 5) {
    const bits = lossless[1]! | (lossless[2]! << 8) | (lossless[3]! << 16) | (lossless[4]! << 24);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1, exif };
  }
  throw new Error("it has no picture data");
}

export const decode = codec(async () => {
  const [{ default: decode, init }, { default: binary }] = await Promise.all([
    import("@jsquash/webp/decode.js"),
    import("@jsquash/webp/codec/dec/webp_dec.wasm"),
  ]);
  return { decode, init, binary };
});
