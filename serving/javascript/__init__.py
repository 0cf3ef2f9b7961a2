"""What the Node server (`serving/node`) and the web page (`serving/web`) share, in TypeScript, and how Python asks both.

`src/` has the container contract, the preprocessing (the counterpart of `ml/export/preprocessing.py`, held to it by golden vectors)
and the loaded model; `test/` its unit tests; `engines` runs Node and Chromium on raw rows, for parity and for measuring variants.
`serving/build.mjs` bundles all of it; `make setup` runs it.
"""
