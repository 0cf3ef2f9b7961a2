/** What Python prepared (tests/serving/golden.py writes it) is prepared here, value for value. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import type { Instance } from "../src/contract.js";
import { preprocessor } from "../src/preprocessing.js";
import { tokens } from "../src/tokens.js";

interface Golden {
  token: string;
  tokens: { text: string; tokens: string[] }[];
  prepared: { name: string; document: unknown; instance: Instance; values: number[] }[];
  refused: { name: string; document: unknown; instance: Instance; error: string }[];
}

const golden = JSON.parse(readFileSync(process.env["GOLDEN"]!, "utf-8")) as Golden;

test("there is something to compare", () => {
  assert.ok(golden.tokens.length && golden.prepared.length && golden.refused.length);
});

test("words are the same in every script", () => {
  for (const { text, tokens: expected } of golden.tokens) assert.deepEqual(tokens(text, golden.token), expected, text.slice(0, 80));
});

for (const { name, document, instance, values } of golden.prepared) {
  test(`${name} is prepared as in Python`, async () => {
    const batch = await preprocessor(document).batch([instance]);
    assert.deepEqual(Array.from(batch.values), values);
  });
}

for (const { name, document, instance, error } of golden.refused) {
  test(`${name} is refused`, async () => {
    await assert.rejects(preprocessor(document).batch([instance]), { name: "InstanceError", message: new RegExp(error) });
  });
}
