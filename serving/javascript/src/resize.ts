/** Bilinear resizing with half-pixel centres, to the last bit like `ml.export.preprocessing.resize`. */

interface Taps {
  /** The first source pixel. */
  start: number;
  weights: Float64Array;
}

/**
 * (height, width, channels) bytes → (size, size, channels) bytes, rounded half up.
 *
 * A picture that shrinks is averaged over the triangle that a source pixel spans. Weights are multiples of 1/`steps`, so that the
 * sums are exact in double precision and the order of the additions does not matter.
 */
export function resize(pixels: Uint8Array, height: number, width: number, channels: number, size: number, steps: number): Uint8Array {
  if (height === size && width === size) return pixels;
  const result = new Uint8Array(size * size * channels);
  const across = taps(width, size, steps);
  const row = new Float64Array(width * channels);
  taps(height, size, steps).forEach(({ start, weights }, at) => {
    row.fill(0);
    for (let tap = 0; tap < weights.length; tap++) {
      const weight = weights[tap]!;
      const from = (start + tap) * row.length;
      for (let x = 0; x < row.length; x++) row[x]! += weight * pixels[from + x]!;
    }
    for (let x = 0; x < size; x++) {
      const { start, weights } = across[x]!;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * row[(start + tap) * channels + channel]!;
        result[(at * size + x) * channels + channel] = Math.min(Math.max(Math.floor(sum + 0.5), 0), 255);
      }
    }
  });
  return result;
}

/** For each target pixel along one axis: the first source pixel and the weights from there. */
function taps(source: number, target: number, steps: number): Taps[] {
  const scale = source / target;
  const reach = Math.max(scale, 1);
  return Array.from({ length: target }, (_, at) => {
    const centre = (at + 0.5) * scale;
    const start = Math.max(Math.floor(centre - reach), 0);
    const stop = Math.min(Math.ceil(centre + reach), source);
    const weights = Float64Array.from({ length: stop - start }, (_, tap) => Math.max(1 - Math.abs(start + tap + 0.5 - centre) / reach, 0));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { start, weights: weights.map((weight) => Math.floor((weight / total) * steps + 0.5) / steps) };
  });
}
