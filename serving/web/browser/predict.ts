/**
 * `node serving/web/browser/dist/predict.js --site gs://BUCKET [--variant float32] [--graphics]`: the published page in Chromium. Reads JSON lines
 * `{"task": …, "backend": …, "instance": …}` and writes each one's probabilities as a JSON line.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { BrowserError, Chromium, type Page } from "./chromium.js";
import { serve } from "./site.js";

const BATCH = 64;

interface Question {
  task: string;
  backend: string;
  instance: unknown;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { site: { type: "string" }, variant: { type: "string", default: "float32" }, graphics: { type: "boolean", default: false } },
  });
  if (!values.site) throw new BrowserError("no site is named, so nothing can be predicted. Add --site.");
  const { server, address } = await serve(values.site);
  const chromium = new Chromium(values.graphics);
  const pages = new Map<string, Promise<Page>>();

  const page = (backend: string): Promise<Page> => {
    const opened = pages.get(backend) ?? chromium.open(`${address}?${new URLSearchParams({ variant: values.variant, backend })}`);
    pages.set(backend, opened);
    return opened;
  };
  let waiting: Question[] = [];
  const answer = async (): Promise<void> => {
    const [first] = waiting;
    if (!first) return;
    const instances = JSON.stringify(waiting.map(({ instance }) => instance));
    const rows = await (await page(first.backend)).evaluate<number[][]>(`playbook.probabilities(${JSON.stringify(first.task)}, ${instances})`);
    process.stdout.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    waiting = [];
  };

  try {
    for await (const line of createInterface({ input: process.stdin })) {
      const question = JSON.parse(line) as Question;
      const [first] = waiting;
      if (waiting.length === BATCH || first?.task !== question.task || first.backend !== question.backend) await answer();
      waiting.push(question);
    }
    await answer();
  } finally {
    await chromium.close();
    server.close();
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BrowserError)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 1;
}
