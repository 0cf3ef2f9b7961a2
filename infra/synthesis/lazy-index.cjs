// Loaded with `node --require`: the provider's index.js requires 1,470 files at once (1.2 s, 300 MB); here each is
// required when it is first asked for. Any other file is left alone, and so is an index whose shape is unknown.
'use strict';

const fs = require('fs');
const Module = require('module');

const INDEX = /[\\/]provider-google(-beta)?[\\/]lib[\\/]index\.js$/;
const EXPORT = /^exports\.(\w+) = (?:__importStar\()?require\("([^"]+)"\)\)?;$/gm;
const compile = Module._extensions['.js'];

const lazily = (name, path) =>
  `Object.defineProperty(exports, ${JSON.stringify(name)}, {enumerable: true, configurable: true, get() {
    const value = require(${JSON.stringify(path)});
    Object.defineProperty(exports, ${JSON.stringify(name)}, {value, enumerable: true});
    return value;
  }});`;

Module._extensions['.js'] = function (module, filename) {
  const found = INDEX.test(filename) ? [...fs.readFileSync(filename, 'utf8').matchAll(EXPORT)] : [];
  if (found.length === 0) return compile(module, filename);
  const exported = found.map(([, name, path]) => lazily(name, path));
  return module._compile(['"use strict";', 'Object.defineProperty(exports, "__esModule", {value: true});', ...exported].join('\n'), filename);
};
