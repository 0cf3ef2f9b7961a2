/**
 * An encoded picture → upright RGBA bytes, the same in Node and in the browser, which would colour-manage and premultiply.
 *
 * PNG, JPEG, WebP and GIF, the formats of the web; BMP, TIFF and PPM, which the Python server also takes, are refused by name.
 */
import { InstanceError } from "./contract.js";
import * as gif from "./gif.js";
import * as jpeg from "./jpeg.js";
import * as png from "./png.js";
import * as webp from "./webp.js";

/** A picture that claims more is refused before it is decoded: a few kilobytes can unfold to gigabytes. */
export const MAX_PIXELS = 50_000_000;
export const MAX_SIDE = 32_768;
const ORIENTATION = 0x0112;

export interface Raster {
  width: number;
  height: number;
  rgba: Uint8Array;
}

export interface Chunk {
  name: string;
  content: Uint8Array;
}

/** What a file says about itself before it is decoded. */
export interface Header {
  width: number;
  height: number;
  exif: Uint8Array | undefined;
  chunks?: Chunk[];
}

interface Format {
  known(encoded: Uint8Array): boolean;
  header(encoded: Uint8Array): Header;
  decode(encoded: Uint8Array, header: Header): Raster | Promise<Raster>;
}

const FORMATS: Format[] = [
  { known: (encoded) => starts(encoded, 0, "\x89PNG\r\n\x1a\n"), header: png.header, decode: (_, header) => png.decode(header) },
  { known: (encoded) => starts(encoded, 0, "\xff\xd8\xff"), header: jpeg.header, decode: jpeg.decode },
  { known: (encoded) => starts(encoded, 0, "RIFF") && starts(encoded, 8, "WEBP"), header: webp.header, decode: webp.decode },
  { known: (encoded) => starts(encoded, 0, "GIF87a") || starts(encoded, 0, "GIF89a"), header: gif.header, decode: gif.decode },
];

/**
 * Decode a picture.
 *
 * @throws {InstanceError} when the bytes are not a picture, are cut short or claim more than `MAX_PIXELS`.
 */
export async function decode(encoded: Uint8Array): Promise<Raster> {
  const format = FORMATS.find(({ known }) => known(encoded));
  if (!format) throw new InstanceError("not a picture in a known format (PNG, JPEG, WebP, GIF)");
  try {
    const header = format.header(encoded);
    const { width, height } = header;
    const size = `a picture of ${width} × ${height}`;
    if (Math.max(width, height) > MAX_SIDE) throw new InstanceError(`${size}; at most ${MAX_SIDE.toLocaleString("en")} pixels along a side are taken`);
    if (width * height > MAX_PIXELS) throw new InstanceError(`${size}; at most ${MAX_PIXELS.toLocaleString("en")} pixels are taken`);
    return upright(await format.decode(encoded, header), orientation(header.exif));
  } catch (error) {
    if (error instanceof InstanceError) throw error;
    // Decoders raise almost anything on damaged bytes.
    throw new InstanceError(`a damaged picture (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** (height, width, channels) bytes: transparency falls on white; one channel is luma, three are colour. */
export function channelled({ rgba }: Raster, channels: number): Uint8Array {
  const pixels = rgba.length / 4;
  const result = new Uint8Array(pixels * channels);
  for (let at = 0; at < pixels; at++) {
    const alpha = rgba[4 * at + 3]!;
    const [red, green, blue] = [onWhite(rgba[4 * at]!, alpha), onWhite(rgba[4 * at + 1]!, alpha), onWhite(rgba[4 * at + 2]!, alpha)];
    if (channels === 1) {
      // ITU-R 601 luma in integers; grey stays what it is, since the weights add up to 65536.
      result[at] = (19595 * red + 38470 * green + 7471 * blue + 32768) >>> 16;
    } else {
      result.set([red, green, blue], 3 * at);
    }
  }
  return result;
}

function onWhite(colour: number, alpha: number): number {
  return alpha === 255 ? colour : Math.floor((colour * alpha + 255 * (255 - alpha) + 127) / 255);
}

function starts(encoded: Uint8Array, at: number, signature: string): boolean {
  return encoded.length >= at + signature.length && [...signature].every((byte, offset) => encoded[at + offset] === byte.charCodeAt(0));
}

/** The orientation that a camera noted (1 to 8); damaged metadata is no reason to refuse a picture. */
function orientation(exif: Uint8Array | undefined): number {
  if (!exif || exif.length < 8) return 1;
  const tiff = starts(exif, 0, "Exif\0\0") ? exif.subarray(6) : exif;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const little = starts(tiff, 0, "II");
  try {
    const directory = view.getUint32(4, little);
    for (let entry = 0; entry < view.getUint16(directory, little); entry++) {
      const at = directory + 2 + 12 * entry;
      if (view.getUint16(at, little) === ORIENTATION) return view.getUint16(at + 8, little);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

/** Turn and mirror a picture as its orientation asks. */
function upright(raster: Raster, orientation: number): Raster {
  if (orientation < 2 || orientation > 8) return raster;
  const { width, height } = raster;
  const turned = orientation >= 5;
  const result = { width: turned ? height : width, height: turned ? width : height, rgba: new Uint8Array(raster.rgba.length) };
  const [from, to] = [words(raster.rgba), new Uint32Array(result.rgba.buffer)];
  const mirrored = [2, 3, 7, 8].includes(orientation);
  const flipped = [3, 4, 6, 7].includes(orientation);
  for (let y = 0; y < result.height; y++) {
    for (let x = 0; x < result.width; x++) {
      const [column, row] = turned ? [y, x] : [x, y];
      to[y * result.width + x] = from[(flipped ? height - 1 - row : row) * width + (mirrored ? width - 1 - column : column)]!;
    }
  }
  return result;
}

function words(rgba: Uint8Array): Uint32Array {
  const aligned = rgba.byteOffset % 4 ? rgba.slice() : rgba;
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
