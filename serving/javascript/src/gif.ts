/** GIF → RGBA bytes: its first picture. https://www.w3.org/Graphics/GIF/spec-gif89a.txt */
import type { Header, Raster } from "./picture.js";

const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const PICTURE = 0x2c;
/** First row and step between rows of each pass of an interlaced picture. */
const PASSES = [[0, 8], [4, 8], [2, 4], [1, 2]] as const;
const LONGEST_CODE = 12;

export function header(encoded: Uint8Array): Header {
  const file = new Reader(encoded, 6);
  return { width: file.short(), height: file.short(), exif: undefined };
}

export function decode(encoded: Uint8Array, { width, height }: Header): Raster {
  const file = new Reader(encoded, 10);
  const global = file.byte();
  file.skip(2);
  let palette = global & 0x80 ? file.take(3 << ((global & 7) + 1)) : undefined;
  let transparent = -1;
  let block: number;
  while ((block = file.byte()) === EXTENSION) {
    const label = file.byte();
    const content = file.blocks();
    if (label === GRAPHIC_CONTROL && content.length >= 4) transparent = content[0]! & 1 ? content[3]! : -1;
  }
  if (block !== PICTURE) throw new Error("it has no picture");
  const [left, top, columns, rows] = [file.short(), file.short(), file.short(), file.short()];
  if (left + columns > width || top + rows > height) throw new Error("its picture is larger than its screen");
  const local = file.byte();
  if (local & 0x80) palette = file.take(3 << ((local & 7) + 1));
  const indices = unpack(file.byte(), file.blocks(), columns * rows);

  const rgba = new Uint8Array(width * height * 4);
  const put = (at: number, index: number): void => {
    // Without any palette, indices are levels of grey.
    for (let channel = 0; channel < 3; channel++) rgba[4 * at + channel] = palette ? (palette[3 * index + channel] ?? 0) : index;
    rgba[4 * at + 3] = index === transparent ? 0 : 255;
  };
  if (columns < width || rows < height) for (let at = 0; at < width * height; at++) put(at, Math.max(transparent, 0));
  const order = local & 0x40 ? PASSES.flatMap(([first, step]) => range(first, rows, step)) : range(0, rows, 1);
  order.forEach((row, line) => {
    for (let x = 0; x < columns; x++) put((top + row) * width + left + x, indices[line * columns + x]!);
  });
  return { width, height, rgba };
}

function range(first: number, end: number, step: number): number[] {
  return Array.from({ length: Math.max(Math.ceil((end - first) / step), 0) }, (_, at) => first + at * step);
}

/** Undo the compression by a growing table of strings (Lempel–Ziv–Welch): exactly `size` indices. */
function unpack(bits: number, packed: Uint8Array, size: number): Uint8Array {
  if (bits < 1 || bits > 8) throw new Error("its code size contradicts the specification");
  const clear = 1 << bits;
  // A string of the table is an earlier one and one more index.
  const [earlier, last, lengths] = [new Int16Array(1 << LONGEST_CODE), new Uint8Array(1 << LONGEST_CODE), new Uint16Array(1 << LONGEST_CODE)];
  for (let code = 0; code < clear; code++) [last[code], lengths[code]] = [code, 1];
  const result = new Uint8Array(size);
  let [filled, next, width, previous, buffer, held] = [0, clear + 2, bits + 1, -1, 0, 0];
  for (const byte of packed) {
    buffer |= byte << held;
    held += 8;
    while (held >= width && filled < size) {
      const code = buffer & ((1 << width) - 1);
      buffer >>>= width;
      held -= width;
      if (code === clear) {
        [next, width, previous] = [clear + 2, bits + 1, -1];
        continue;
      }
      if (code === clear + 1 || code > next || (code >= clear && previous < 0) || (code === next && next >= 1 << LONGEST_CODE)) {
        throw new Error("it is cut short");
      }
      // A code that is only being made is the previous string and its own first index.
      const known = code === next ? previous : code;
      const length = lengths[known]!;
      let at = known;
      for (let back = length - 1; back >= 0; back--, at = earlier[at]!) if (filled + back < size) result[filled + back] = last[at]!;
      const first = result[filled]!;
      filled += length;
      if (code === next && filled < size) result[filled++] = first;
      if (previous >= 0 && next < 1 << LONGEST_CODE) {
        [earlier[next], last[next], lengths[next]] = [previous, first, lengths[previous]! + 1];
        next += 1;
        if (next === 1 << width && width < LONGEST_CODE) width += 1;
      }
      previous = code;
    }
  }
  if (filled < size) throw new Error("it is cut short");
  return result;
}

/** Reads on from a place in a file, and never beyond its end. */
class Reader {
  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
  ) {}

  byte(): number {
    return this.take(1)[0]!;
  }

  short(): number {
    const [low, high] = this.take(2);
    return low! | (high! << 8);
  }

  skip(count: number): void {
    this.take(count);
  }

  take(count: number): Uint8Array {
    if (this.at + count > this.bytes.length) throw new Error("it is cut short");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** The content of a chain of blocks. */
  blocks(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let length = this.byte(); length; length = this.byte()) parts.push(this.take(length));
    const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (result.set(part, at), at + part.length), 0);
    return result;
  }
}
