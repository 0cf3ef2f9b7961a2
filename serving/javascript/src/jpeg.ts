/** JPEG → RGBA bytes, by mozjpeg compiled to WebAssembly: the same integer arithmetic as Pillow's library. */
import { codec } from "./codec.js";
import type { Header } from "./picture.js";

const EXIF = "Exif\0\0";

export function header(encoded: Uint8Array): Header {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  let exif: Uint8Array | undefined;
  let size: { width: number; height: number } | undefined;
  for (let at = 2; at + 4 <= encoded.length; ) {
    if (encoded[at] !== 0xff) throw new Error("a marker is missing");
    const marker = encoded[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const length = view.getUint16(at + 2);
    const content = encoded.subarray(at + 4, at + 2 + length);
    // Start of a frame; C4, C8 and CC mean something else.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      size = { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
      if (content[5] !== 1 && content[5] !== 3) throw new Error(`it has ${content[5]} colour components; save it as RGB or grey`);
    } else if (marker === 0xe1 && String.fromCharCode(...content.subarray(0, EXIF.length)) === EXIF) {
      exif ??= content.subarray(EXIF.length);
    } else if (marker === 0xda) {
      // The decoder would fill what is missing with grey.
      if (!ended(encoded, at)) throw new Error("it is cut short");
      break;
    }
    at += 2 + length;
  }
  if (!size) throw new Error("it has no frame");
  return { ...size, exif };
}

function ended(encoded: Uint8Array, from: number): boolean {
  for (let at = encoded.length - 2; at > from; at--) if (encoded[at] === 0xff && encoded[at + 1] === 0xd9) return true;
  return false;
}

export const decode = codec(async () => {
  const [{ default: decode, init }, { default: binary }] = await Promise.all([
    import("@jsquash/jpeg/decode.js"),
    import("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"),
  ]);
  return { decode, init, binary };
});
