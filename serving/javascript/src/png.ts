/**
 * PNG → RGBA bytes. fflate inflates; what is left is the specification's filters, passes and colour types.
 * https://www.w3.org/TR/png-3/
 */
import { Unzlib } from "fflate";

import type { Chunk, Header, Raster } from "./picture.js";

const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DEPTHS: Record<number, number[]> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
/** First column and row, then steps between columns and rows, of each pass of an interlaced picture. */
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const;
const WHOLE = [[0, 0, 1, 1]] as const;
/** Compressed bytes that are inflated at once: a bomb is noticed before it has unfolded. */
const PIECE = 1 << 14;

export function header(encoded: Uint8Array): Header {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const chunks: Chunk[] = [];
  for (let at = 8; at + 12 <= encoded.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...encoded.subarray(at + 4, at + 8));
    if (at + 12 + length > encoded.length) break;
    chunks.push({ name, content: encoded.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
    if (name === "IEND") break;
  }
  const first = chunks[0];
  if (first?.name !== "IHDR" || first.content.length !== 13) throw new Error("it has no header");
  return {
    width: view.getUint32(16),
    height: view.getUint32(20),
    exif: chunks.find(({ name }) => name === "eXIf")?.content,
    chunks,
  };
}

export function decode({ width, height, chunks = [] }: Header): Raster {
  const [depth, colour, compression, filter, interlace] = chunks[0]!.content.subarray(8) as unknown as [number, number, number, number, number];
  const channels = CHANNELS[colour];
  if (channels === undefined || !DEPTHS[colour]!.includes(depth) || compression || filter || interlace > 1 || !width || !height) {
    throw new Error("its header contradicts the specification");
  }
  const passes = (interlace ? ADAM7 : WHOLE)
    .map(([left, top, across, down]) => ({
      left,
      top,
      across,
      down,
      columns: Math.ceil((width - left) / across),
      rows: Math.ceil((height - top) / down),
    }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
  const stride = (columns: number): number => Math.ceil((columns * channels * depth) / 8);
  const inflated = inflate(chunks, passes.reduce((sum, { columns, rows }) => sum + rows * (1 + stride(columns)), 0));
  const paint = painter(colour, depth, named(chunks, "PLTE"), named(chunks, "tRNS"));

  const rgba = new Uint8Array(width * height * 4);
  const back = Math.max((channels * depth) >> 3, 1);
  let at = 0;
  for (const { left, top, across, down, columns, rows } of passes) {
    const bytes = stride(columns);
    let above = new Uint8Array(bytes);
    for (let y = 0; y < rows; y++) {
      const line = inflated.subarray(at + 1, at + 1 + bytes);
      unfilter(inflated[at]!, line, above, back);
      const from = ((top + y * down) * width + left) * 4;
      for (let x = 0; x < columns; x++) paint(line, x, rgba, from + x * across * 4);
      above = line;
      at += 1 + bytes;
    }
  }
  return { width, height, rgba };
}

function named(chunks: readonly Chunk[], name: string): Uint8Array | undefined {
  return chunks.find((chunk) => chunk.name === name)?.content;
}

/** The scanlines: exactly `size` bytes, whatever the file unfolds to. */
function inflate(chunks: readonly Chunk[], size: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(size);
  let filled = 0;
  const stream = new Unzlib((piece) => {
    const kept = piece.subarray(0, size - filled);
    result.set(kept, filled);
    filled += kept.length;
  });
  for (const { content } of chunks.filter(({ name }) => name === "IDAT")) {
    for (let at = 0; at < content.length && filled < size; at += PIECE) stream.push(content.subarray(at, at + PIECE));
  }
  if (filled < size) throw new Error("it is cut short");
  return result;
}

/** Undo a scanline's filter in place; `back` is the distance to the pixel on the left. */
function unfilter(type: number, line: Uint8Array, above: Uint8Array, back: number): void {
  switch (type) {
    case 0:
      return;
    case 1:
      for (let x = back; x < line.length; x++) line[x]! += line[x - back]!;
      return;
    case 2:
      for (let x = 0; x < line.length; x++) line[x]! += above[x]!;
      return;
    case 3:
      for (let x = 0; x < line.length; x++) line[x]! += ((x < back ? 0 : line[x - back]!) + above[x]!) >> 1;
      return;
    case 4:
      for (let x = 0; x < line.length; x++) line[x]! += x < back ? above[x]! : paeth(line[x - back]!, above[x]!, above[x - back]!);
      return;
    default:
      throw new Error(`it has a scanline with filter ${type}`);
  }
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

type Paint = (line: Uint8Array, x: number, rgba: Uint8Array, to: number) => void;

/** Writes pixel `x` of a scanline as RGBA. Sixteen bits become eight as Pillow makes them: grey is scaled, colour cut. */
function painter(colour: number, depth: number, palette: Uint8Array | undefined, transparent: Uint8Array | undefined): Paint {
  const wide = depth === 16 ? 2 : 1;
  const sample = (line: Uint8Array, x: number): number => {
    if (depth >= 8) return line[x * wide]!;
    const bit = x * depth;
    return (line[bit >> 3]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
  };
  const put = (rgba: Uint8Array, to: number, red: number, green: number, blue: number, alpha: number): void => {
    rgba[to] = red;
    rgba[to + 1] = green;
    rgba[to + 2] = blue;
    rgba[to + 3] = alpha;
  };
  const key = (at: number): number => (transparent && transparent.length >= 2 * at + 2 ? (transparent[2 * at]! << 8) | transparent[2 * at + 1]! : -1);
  switch (colour) {
    case 0: {
      if (depth === 16) {
        return (line, x, rgba, to) => {
          const grey = Math.floor(((line[2 * x]! << 8) | line[2 * x + 1]!) / 257);
          put(rgba, to, grey, grey, grey, 255);
        };
      }
      const scale = 255 / ((1 << depth) - 1);
      // Pillow compares the key of a shallow picture with its scaled levels; only black is ever meant in both.
      const clear = depth === 1 && key(0) > 0 ? 255 : key(0);
      return (line, x, rgba, to) => {
        const grey = sample(line, x) * scale;
        put(rgba, to, grey, grey, grey, grey === clear ? 0 : 255);
      };
    }
    case 2:
      return (line, x, rgba, to) => {
        const [red, green, blue] = [line[3 * x * wide]!, line[(3 * x + 1) * wide]!, line[(3 * x + 2) * wide]!];
        put(rgba, to, red, green, blue, depth === 8 && red === key(0) && green === key(1) && blue === key(2) ? 0 : 255);
      };
    case 3: {
      if (!palette) throw new Error("it has no palette");
      return (line, x, rgba, to) => {
        const at = sample(line, x);
        put(rgba, to, palette[3 * at] ?? 0, palette[3 * at + 1] ?? 0, palette[3 * at + 2] ?? 0, transparent?.[at] ?? 255);
      };
    }
    case 4:
      return (line, x, rgba, to) => {
        const grey = line[2 * x * wide]!;
        put(rgba, to, grey, grey, grey, line[(2 * x + 1) * wide]!);
      };
    default:
      return (line, x, rgba, to) => put(rgba, to, line[4 * x * wide]!, line[(4 * x + 1) * wide]!, line[(4 * x + 2) * wide]!, line[(4 * x + 3) * wide]!);
  }
}
