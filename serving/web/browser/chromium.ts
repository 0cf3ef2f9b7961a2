/** A headless Chromium, spoken to by its DevTools protocol over a pipe: https://chromedevtools.github.io/devtools-protocol/ */
import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";

const CLOSE_MILLISECONDS = 5000;
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** There is no browser, or the page in it failed; the message is complete and meant for people. */
export class BrowserError extends Error {
  override name = "BrowserError";
}

type Message = Record<string, unknown>;

interface Answer {
  id?: number;
  method?: string;
  params?: Message;
  sessionId?: string;
  result?: Message;
  error?: { message: string };
}

/** Path of this machine's Chromium. */
export function found(): string | undefined {
  const paths = (process.env["PATH"] ?? "").split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export class Chromium {
  private readonly process: ChildProcess;
  private readonly profile = mkdtempSync(join(tmpdir(), "chromium-"));
  private readonly waiting = new Map<number, { resolve: (result: Message) => void; reject: (error: Error) => void }>();
  private last = 0;
  private rest = "";
  /** Called for each event of the protocol. */
  heard: (method: string, params: Message, session?: string) => void = () => {};

  /** `graphics` starts WebGL, in software where there is no graphics card; without it, the browser starts faster. */
  constructor(graphics = false) {
    const path = found();
    if (!path) throw new BrowserError(`there is no ${NAMES.join(", ")} on the path, so nothing ran in a browser. Install Chromium.`);
    // It would send its own traffic to a proxy that is meant for ours.
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name)));
    const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
    const gpu = graphics ? ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"] : ["--disable-gpu"];
    this.process = spawn(
      path,
      // Containers forbid the user namespaces that its sandbox is made of; the only page it opens is ours.
      ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-pipe", `--user-data-dir=${this.profile}`, ...quiet, ...gpu],
      { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], env: environment },
    );
    (this.process.stdio[4] as Readable).setEncoding("utf-8").on("data", (text: string) => this.read(text));
    this.process.once("exit", () => {
      for (const { reject } of this.waiting.values()) reject(new BrowserError("Chromium ended."));
    });
  }

  /** Ask for one command of the protocol. */
  send(method: string, params: Message = {}, sessionId?: string): Promise<Message> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      (this.process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Open a page. */
  async open(address: string): Promise<Page> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId as string);
    await page.send("Page.enable");
    await page.send("Runtime.enable");
    await page.send("Page.navigate", { url: address });
    await page.until("document.readyState === 'complete'");
    return page;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    const patience = setTimeout(() => this.process.kill("SIGKILL"), CLOSE_MILLISECONDS);
    // Not awaited: the pipe may close before the answer.
    this.send("Browser.close").catch(() => {});
    await ended;
    clearTimeout(patience);
    // Its last children may still be writing.
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  private read(text: string): void {
    const parts = (this.rest + text).split("\0");
    this.rest = parts.pop()!;
    for (const part of parts) {
      const { id, method, params, sessionId, result, error } = JSON.parse(part) as Answer;
      if (id === undefined) {
        this.heard(method!, params ?? {}, sessionId);
        continue;
      }
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) waiting?.reject(new BrowserError(error.message));
      else waiting?.resolve(result ?? {});
    }
  }
}

export class Page {
  constructor(
    private readonly browser: Chromium,
    private readonly session: string,
  ) {}

  send(method: string, params: Message = {}): Promise<Message> {
    return this.browser.send(method, params, this.session);
  }

  /** The value of a JavaScript expression, awaited. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const answer = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const failure = answer["exceptionDetails"] as { text: string; exception?: { description?: string } } | undefined;
    if (failure) throw new BrowserError(`the page failed: ${failure.exception?.description ?? failure.text}`);
    return (answer["result"] as { value: Value }).value;
  }

  /** Wait until an expression is true. */
  async until(expression: string, milliseconds = 20_000): Promise<void> {
    const deadline = Date.now() + milliseconds;
    while (!(await this.evaluate<boolean>(expression))) {
      if (Date.now() > deadline) throw new BrowserError(`the page did not come to this within ${milliseconds} ms: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
