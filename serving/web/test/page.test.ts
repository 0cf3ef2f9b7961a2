/**
 * The page in Chromium, as a person uses it. SITE is a folder laid out like the web bucket, with a release of both tasks; CHANGES holds
 * what else is published meanwhile: for each fault a folder to copy over it. SHOTS, when set, is where screenshots go.
 */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Chromium, type Page } from "../browser/chromium.js";
import { serve } from "../browser/site.js";

const site = process.env["SITE"]!;
const changes = process.env["CHANGES"]!;
const shots = process.env["SHOTS"];
const PHONE = { width: 390, height: 844, deviceScaleFactor: 2, mobile: true };
const DESKTOP = { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false };

interface Entry {
  level: string;
  source: string;
}

/** A file that is missing on purpose is the network's complaint. */
const failed = ({ level, source }: Entry): boolean => level === "error" && source !== "network";

let chromium: Chromium;
let served: { server: Server; address: string };
let page: Page;
const complaints: string[] = [];

before(async () => {
  served = await serve(site);
  chromium = new Chromium();
  chromium.heard = (method, params) => {
    if (method === "Runtime.exceptionThrown" || (method === "Log.entryAdded" && failed(params["entry"] as Entry))) {
      complaints.push(JSON.stringify(params));
    }
  };
  page = await opened();
});

after(async () => {
  await chromium.close();
  served.server.close();
});

async function opened(): Promise<Page> {
  const one = await chromium.open(served.address);
  await one.send("Log.enable");
  await one.send("Emulation.setDeviceMetricsOverride", DESKTOP);
  await one.evaluate("playbook.ready");
  return one;
}

const text = (selector: string): Promise<string> => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`);
const click = (selector: string): Promise<unknown> => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);

async function stroke(points: [number, number][]): Promise<void> {
  const box = await page.evaluate<{ x: number; y: number; width: number; height: number }>(
    "(({ x, y, width, height }) => ({ x, y, width, height }))(document.querySelector('#canvas').getBoundingClientRect())",
  );
  const mouse = (type: string, [x, y]: [number, number]): Promise<unknown> =>
    page.send("Input.dispatchMouseEvent", { type, x: box.x + x * box.width, y: box.y + y * box.height, button: "left", buttons: 1, clickCount: 1 });
  await mouse("mousePressed", points[0]!);
  for (const point of points) await mouse("mouseMoved", point);
  await mouse("mouseReleased", points.at(-1)!);
}

async function choose(file: string): Promise<void> {
  const { root } = (await page.send("DOM.getDocument")) as { root: { nodeId: number } };
  const { nodeId } = (await page.send("DOM.querySelector", { nodeId: root.nodeId, selector: "#file" })) as { nodeId: number };
  await page.send("DOM.setFileInputFiles", { nodeId, files: [file] });
}

async function type(sentence: string): Promise<void> {
  await page.evaluate("document.querySelector('#text').focus(); document.querySelector('#text').select()");
  await page.send("Input.insertText", { text: sentence });
}

async function shoot(name: string, scheme: "light" | "dark", metrics = DESKTOP): Promise<void> {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.send("Emulation.setDeviceMetricsOverride", metrics);
  await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  const { data } = (await page.send("Page.captureScreenshot", { captureBeyondViewport: true })) as { data: string };
  writeFileSync(join(shots, `${name}.png`), Buffer.from(data, "base64"));
}

test("a drawn picture is classified, undone and cleared", async () => {
  await shoot("empty-desktop", "light");
  await stroke([[0.3, 0.25], [0.7, 0.25], [0.7, 0.8], [0.3, 0.8], [0.3, 0.25]]);
  await stroke([[0.3, 0.3], [0.12, 0.5]]);
  await stroke([[0.7, 0.3], [0.88, 0.5]]);
  await page.until("document.querySelectorAll('#image_classification[aria-busy=false] .answer li').length > 1");
  await shoot("drawn-desktop", "light");
  await shoot("drawn-phone", "dark", PHONE);
  await click("#undo");
  assert.equal(await page.evaluate("document.querySelector('#undo').disabled"), false);
  await click("#clear");
  await page.until("!document.querySelector('#image_classification .answer li')");
  assert.equal(await page.evaluate("document.querySelector('#undo').disabled"), true);
});

test("a chosen picture is classified as the server would", async () => {
  await click("#way-upload");
  await choose(join(changes, "picture.png"));
  await page.until("document.querySelectorAll('#image_classification .answer li').length > 1");
  const expected = readFileSync(join(changes, "picture.label"), "utf-8");
  assert.equal(await text("#image_classification .label"), expected);
  await shoot("uploaded-phone", "light", PHONE);
});

test("a file that is no picture is refused with the reason", async () => {
  await choose(join(changes, "picture.label"));
  await page.until("document.querySelector('#image_classification .fault')");
  assert.match(await text("#image_classification .fault"), /not a picture in a known format \(PNG, JPEG, WebP, GIF\)/);
  await shoot("refused-phone", "dark", PHONE);
});

test("a typed sentence is classified", async () => {
  await type("A moving film with a wonderful cast!");
  await page.until("document.querySelectorAll('#text_classification .answer li').length > 1");
  await shoot("typed-desktop", "dark");
});

test("nothing runs over the edge of a phone, and everything that is used has a name", async () => {
  await page.send("Emulation.setDeviceMetricsOverride", { ...PHONE, width: 320 });
  assert.ok(await page.evaluate("document.documentElement.scrollWidth <= 320"));
  await page.send("Emulation.setDeviceMetricsOverride", DESKTOP);
  const { nodes } = (await page.send("Accessibility.getFullAXTree")) as { nodes: { role?: { value: string }; name?: { value: string }; ignored: boolean }[] };
  const used = nodes.filter(({ role, ignored }) => !ignored && ["button", "textbox", "checkbox", "img", "image"].includes(role?.value ?? ""));
  assert.ok(used.length >= 4);
  assert.deepEqual(used.filter(({ name }) => !name?.value), []);
});

for (const fault of readdirSync(changes, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  test(`${fault.name}: the release in use stays, and the page says so`, async () => {
    const before = await text("#release");
    cpSync(join(changes, fault.name), site, { recursive: true });
    await page.evaluate("playbook.update()");
    assert.match(await text("#notice"), /^The newest release .* cannot be used: .* The one before it stays in use\.$/);
    assert.equal(await text("#release"), before);
    await type(`Still here after ${fault.name}?`);
    await page.until("document.querySelectorAll('#text_classification .answer li').length > 1");
    // A page that opens now takes the one before.
    const former = page;
    page = await opened();
    assert.equal(await text("#release"), before);
    assert.match(await text("#notice"), /The one before it stays in use/);
    await shoot(`fault-${fault.name.replaceAll(" ", "-")}`, "light", PHONE);
    await page.send("Page.close");
    page = former;
  });
}

test("the page complains of nothing but what was broken on purpose", () => {
  assert.deepEqual(complaints, []);
});
