"""Gemini's methods by small models on this machine: every answer is computed, and what cannot be done is refused.

`prompt` reads a GenerateContent request into labels, examples and what is to be labelled (`pieces`: its parts); `schema` finds the label in
the response schema and writes the answer in its shape; `minilm` encodes text and counts tokens; `pictures` turns a
picture into features; `fewshot` labels by the examples with an honest confidence; `engine` joins them and writes
Google's responses. Nothing here knows HTTP: that is `emulator/behaviours/gemini.py`.

What it can do: classify text and pictures by examples, text also by the names of the labels; embed text; count tokens.
What it cannot: write free text, extract, summarise, caption, call tools, hear or watch. Those requests are refused with
the reason, since a made-up answer would prove nothing about the code that asked.
Start reading: `engine`.
"""
