/** Bundles the Node server, the web page and what opens it in a browser: `node serving/build.mjs [node] [web] [browser] [tests]`. Each `dist/` is made anew. */
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const SERVING = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const WASM = dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));
/** What TensorFlow.js loads by address: with and without SIMD instructions. */
const BACKENDS = ["tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm.wasm"];

const NODE = {
  platform: "node",
  target: "node20",
  // CommonJS packages look for these.
  banner: {
    js: [
      'import { createRequire as __createRequire } from "node:module";',
      'import { fileURLToPath as __fileURLToPath } from "node:url";',
      "const require = __createRequire(import.meta.url);",
      'const __filename = __fileURLToPath(import.meta.url), __dirname = __fileURLToPath(new URL(".", import.meta.url));',
    ].join("\n"),
  },
};

/** Below `assets/` a name changes with its content, so that browsers may keep it for ever. */
const TFJS_FOLDER = `assets/tfjs-${require("@tensorflow/tfjs-backend-wasm/package.json").version}/`;

const ROOMS = {
  node: () => bundle("node/dist", sources("node", "server.ts", "predict.ts"), NODE),
  web: () =>
    bundle(
      "web/dist",
      sources("web", "app.ts", "style.css"),
      {
        target: "es2022",
        entryNames: "assets/[name]-[hash]",
        chunkNames: "assets/[name]-[hash]",
        define: { TFJS_FOLDER: JSON.stringify(TFJS_FOLDER) },
        external: ["fs", "path", "perf_hooks", "worker_threads", "os", "util", "crypto"],
      },
      TFJS_FOLDER,
      page,
    ),
  browser: () => bundle("web/browser/dist", ["serve", "predict"].map((name) => join(SERVING, "web", "browser", `${name}.ts`)), NODE),
  tests: async () => {
    const folders = ["javascript", "web"].map((room) => join(SERVING, room, "test"));
    const files = await Promise.all(folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))));
    await bundle("javascript/dist", files.flat(), { ...NODE, entryNames: "[name]" });
  },
};

function sources(room, ...names) {
  return names.map((name) => join(SERVING, room, "src", name));
}

async function bundle(folder, entryPoints, options, wasm = ".", finish = async () => {}) {
  const outdir = join(SERVING, `${folder}.${process.pid}`);
  await mkdir(join(outdir, wasm), { recursive: true });
  const { metafile } = await build({
    entryPoints,
    outdir,
    bundle: true,
    format: "esm",
    splitting: true,
    minify: true,
    legalComments: "linked",
    metafile: true,
    // Of TensorFlow.js's bundles only the modules say which of their files have effects.
    mainFields: ["module", "main"],
    loader: { ".wasm": "binary" },
    logLevel: "warning",
    ...options,
  });
  for (const name of BACKENDS) await copyFile(join(WASM, name), join(outdir, wasm, name));
  await finish(outdir, metafile.outputs);
  await rm(join(SERVING, folder), { recursive: true, force: true });
  await rename(outdir, join(SERVING, folder));
}

/** Write `index.html`, which names the script and the style by digest. */
async function page(outdir, outputs) {
  const name = (path) => path.slice(path.lastIndexOf("/assets/") + 1);
  const checked = async (path) => {
    const digest = createHash("sha384").update(await readFile(join(outdir, name(path)))).digest("base64");
    return `="${name(path)}" integrity="sha384-${digest}"`;
  };
  const built = (source) => Object.keys(outputs).find((path) => outputs[path].entryPoint?.endsWith(source));
  const [app, style] = [built("src/app.ts"), built("src/style.css")];
  // What the script imports at once is loaded, and checked, beside it.
  const imported = outputs[app].imports.filter(({ kind }) => kind === "import-statement");
  const preloads = await Promise.all(imported.map(async ({ path }) => `<link rel="modulepreload" href${await checked(path)} />`));
  const html = (await readFile(join(SERVING, "web", "src", "index.html"), "utf-8"))
    .replace("<!-- style -->", `<link rel="stylesheet" href${await checked(style)} />`)
    .replace("<!-- script -->", [...preloads, `<script type="module" src${await checked(app)}></script>`].join("\n    "));
  await writeFile(join(outdir, "index.html"), html);
}

for (const room of process.argv.length > 2 ? process.argv.slice(2) : ["node", "web", "browser"]) await ROOMS[room]();
