/** `node serving/web/browser/dist/serve.js --site gs://BUCKET [--port 8000]`: the published page, to look at. */
import { parseArgs } from "node:util";

import { serve } from "./site.js";

const { values } = parseArgs({ options: { site: { type: "string", default: "serving/web/dist" }, port: { type: "string", default: "0" } } });
const { address } = await serve(values.site, Number(values.port));
process.stdout.write(`${values.site} is served on ${address}\n`);
