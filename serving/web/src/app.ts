/** The page: shows what the released models answer for a drawn or chosen picture and for a typed sentence. */
import { InstanceError, ReleaseError, start, type Backend, type Instance, type Model } from "@playbook/javascript";

import { Drawing } from "./drawing.js";
import { current, release, type Release } from "./release.js";

declare const TFJS_FOLDER: string;

const SHOWN = 5;
const CLASSES_SHOWN = 12;
const TYPING_MILLISECONDS = 150;
const LOOK_MILLISECONDS = 60_000;
const asked = new URLSearchParams(location.search);
const variant = asked.get("variant") ?? "float32";
const backend = (asked.get("backend") ?? "wasm") as Backend;

let using: Release | undefined;
/** A release that could not be loaded, which is not tried again. */
let refused = "";

function element<Kind extends HTMLElement = HTMLElement>(selector: string): Kind {
  return document.querySelector<Kind>(selector)!;
}

/** Take over the current release; one that is damaged leaves the former in use and says so. */
async function update(): Promise<void> {
  let wanted = "";
  try {
    const { release: digest, previous } = await current();
    if (digest === using?.digest || digest === refused) return;
    wanted = digest;
    try {
      use(await release(digest, variant));
      say("");
    } catch (error) {
      if (!(error instanceof ReleaseError)) throw error;
      refused = digest;
      if (!using && previous) use(await release(previous, variant));
      say(`The newest release (${digest.slice(0, 12)}) cannot be used: ${error.message} ${using ? "The one before it stays in use." : ""}`);
    }
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    // A page that already works goes on while it is offline.
    if (!using || wanted) say(`The models cannot be loaded: ${error.message}`);
  } finally {
    element("#loading").hidden = true;
  }
}

function use(next: Release): void {
  const former = using;
  using = next;
  for (const model of next.models.values()) {
    const section = element(`#${model.kind}`);
    section.hidden = false;
    const more = model.classes.length - CLASSES_SHOWN;
    element(`#${model.kind} .classes`).textContent =
      `It tells apart: ${model.classes.slice(0, CLASSES_SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
  }
  element("#release").textContent = `Release ${next.digest.slice(0, 12)} · ${variant} · ${backend}`;
  for (const show of [showPicture, showSentence]) void show();
  for (const model of former?.models.values() ?? []) model.dispose();
}

function say(notice: string): void {
  element("#notice").textContent = notice;
  element("#notice").hidden = !notice;
}

function modelOf(kind: Model["kind"]): Model | undefined {
  return [...(using?.models.values() ?? [])].find((model) => model.kind === kind);
}

/** A function that shows the answer to what `read` gives; while one is computed, only the latest question waits. */
function shower(kind: Model["kind"], read: () => Promise<Instance | undefined>, after: (model: Model, instance: Instance | undefined) => Promise<void>) {
  let busy = false;
  let again = false;
  return async function show(): Promise<void> {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    element(`#${kind}`).ariaBusy = "true";
    try {
      do {
        again = false;
        const model = modelOf(kind);
        if (!model) return;
        const instance = await read();
        const began = performance.now();
        try {
          answer(kind, instance === undefined ? [] : await model.predict([instance]), performance.now() - began);
          await after(model, instance);
        } catch (error) {
          if (!(error instanceof InstanceError)) throw error;
          fault(kind, error.message.replace(/^instance 0: /, ""));
          await after(model, undefined);
        }
      } while (again);
    } finally {
      busy = false;
      element(`#${kind}`).ariaBusy = "false";
    }
  };
}

function answer(kind: Model["kind"], predictions: Awaited<ReturnType<Model["predict"]>>, milliseconds: number): void {
  const [prediction] = predictions;
  if (!prediction) {
    element(`#${kind} .answer`).replaceChildren();
    return;
  }
  const best = Object.entries(prediction.scores)
    .sort(([, one], [, other]) => other - one)
    .slice(0, SHOWN);
  const list = made("ol");
  for (const [label, score] of best) {
    const line = made("li");
    const bar = made("progress");
    bar.max = 1;
    bar.value = score;
    bar.ariaHidden = "true";
    line.append(bar, made("span", label), made("span", `${(score * 100).toFixed(1)} %`));
    list.append(line);
  }
  list.title = `Predicted in ${milliseconds.toFixed(1)} ms`;
  const title = made("p", prediction.label);
  title.className = "label";
  element(`#${kind} .answer`).replaceChildren(title, list);
}

function fault(kind: Model["kind"], message: string): void {
  const line = made("p", `This cannot be classified: ${message}.`);
  line.className = "fault";
  element(`#${kind} .answer`).replaceChildren(line);
}

function made<Name extends keyof HTMLElementTagNameMap>(name: Name, text = ""): HTMLElementTagNameMap[Name] {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}

let chosen: Uint8Array | undefined;
const drawing = new Drawing(element<HTMLCanvasElement>("#canvas"), false, () => {
  element<HTMLButtonElement>("#undo").disabled = element<HTMLButtonElement>("#clear").disabled = drawing.empty;
  void showPicture();
});
const drawn = (): boolean => element("#way-draw").ariaPressed === "true";

const showPicture = shower(
  "image_classification",
  async () => (drawn() ? (drawing.empty ? undefined : drawing.png()) : chosen),
  async (model, instance) => {
    const figure = element("#image_classification .seen");
    figure.hidden = instance === undefined;
    if (instance !== undefined) await reveal(model, instance, figure.querySelector("canvas")!);
  },
);

/** Paint what the model sees. */
async function reveal(model: Model, instance: Instance, canvas: HTMLCanvasElement): Promise<void> {
  const { values, shape } = await model.prepare([instance]);
  const [, height = 0, width = 0, channels = 1] = shape;
  const rgba = new Uint8ClampedArray(width * height * 4).map((_, at) =>
    at % 4 === 3 ? 255 : Math.round(values[(at >> 2) * channels + Math.min(at % 4, channels - 1)]! * 255),
  );
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d")!.putImageData(new ImageData(rgba, width, height), 0, 0);
}

const showSentence = shower(
  "text_classification",
  async () => element<HTMLTextAreaElement>("#text").value.trim() || undefined,
  async () => {},
);

function choose(draw: boolean): void {
  element("#way-draw").ariaPressed = String(draw);
  element("#way-upload").ariaPressed = String(!draw);
  element("#draw").hidden = !draw;
  element("#upload").hidden = draw;
  void showPicture();
}

async function take(file: File | undefined): Promise<void> {
  if (!file) return;
  chosen = new Uint8Array(await file.arrayBuffer());
  const preview = element<HTMLImageElement>("#preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.alt = `The chosen picture, ${file.name}`;
  preview.hidden = false;
  element("#drop-hint").hidden = true;
  preview.onerror = () => {
    preview.hidden = true;
    element("#drop-hint").hidden = false;
  };
  await showPicture();
}

function listen(): void {
  element("#way-draw").onclick = () => choose(true);
  element("#way-upload").onclick = () => choose(false);
  element("#undo").onclick = () => drawing.undo();
  element("#clear").onclick = () => drawing.clear();
  element<HTMLInputElement>("#dark-ink").onchange = (event) => drawing.ink((event.target as HTMLInputElement).checked);
  element<HTMLInputElement>("#file").onchange = (event) => void take((event.target as HTMLInputElement).files?.[0]);
  const drop = element("#drop");
  drop.ondragover = (event) => {
    event.preventDefault();
    drop.classList.add("over");
  };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    void take(event.dataTransfer?.files[0]);
  };
  let typing: ReturnType<typeof setTimeout>;
  element("#text").oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => void showSentence(), TYPING_MILLISECONDS);
  };
}

async function open(): Promise<void> {
  if (!globalThis.isSecureContext) {
    throw new ReleaseError("browsers check digests on secure pages only. Open this page over https.");
  }
  if (backend === "webgl") await import("@tensorflow/tfjs-backend-webgl");
  await start(backend, new URL(TFJS_FOLDER, document.baseURI).href);
  await update();
  setInterval(() => void update(), LOOK_MILLISECONDS);
  document.addEventListener("visibilitychange", () => document.hidden || void update());
}

listen();
/** For measurements: the probabilities of one task's model, once the page is ready. */
const ready = open().catch((error: unknown) => {
  element("#loading").hidden = true;
  say(`The models cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
});
Object.assign(globalThis, {
  playbook: {
    ready,
    update,
    async probabilities(task: string, instances: Instance[]): Promise<number[][]> {
      await ready;
      const model = using?.models.get(task);
      if (!model) throw new ReleaseError(`the page has no model for ${task}`);
      return (await model.probabilities(instances)).map((row) => Array.from(row));
    },
  },
});
