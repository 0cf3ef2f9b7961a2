/** Text → words, as `ml.export.preprocessing.tokens`. */

/** What Python's `str.strip` takes for white space, which is not quite what `trim` does. */
const BLANK = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;

export function blank(text: string): boolean {
  return BLANK.test(text);
}

/** The words of a text, in lower case; `pattern` is the `javascript` pattern of `preprocessing.json`. */
export function tokens(text: string, pattern: string): string[] {
  return text.toLowerCase().match(new RegExp(pattern, "gu")) ?? [];
}

/** Pairs of neighbouring words. */
export function pairs(words: readonly string[]): string[] {
  return words.slice(1).map((second, at) => `${words[at]} ${second}`);
}
