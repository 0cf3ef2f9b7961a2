"""Gemini's methods by small models on this machine: every answer is computed, and what cannot be done is refused.

`prompt` reads a GenerateContent request into labels, examples and what is to be labelled (`pieces`: its parts); `schema` finds the label in
the response schema and writes the answer in its shape; `minilm` encodes text and counts tokens; `pictures` turns a
picture into features; `fewshot` labels by the examples with an honest confidence; `logprobs` gives that of each word piece; `safety` rates
harm; `engine` joins them and writes Google's responses. Nothing of these knows HTTP: that is `emulator/behaviours/gemini.py`.

`tuning` runs tuning jobs: `rows` are read, and a `head` is learnt, which a tuned model answers with. `caches` keeps contents that requests
name, `batches` answers files and tables of requests, `request` holds what comes in a row to Google's description of it.

What it can do: classify text and pictures by examples, tuned or in the prompt, text also by the names of the labels; embed text; count
tokens. What it cannot: write free text, extract, summarise, caption, call tools, hear or watch. Those requests are refused with
the reason, since a made-up answer would prove nothing about the code that asked.
It takes 135 MB once the encoder is loaded, 15 more where safety is rated; a text takes about 13 ms of one core.
Start reading: `engine`.
"""
