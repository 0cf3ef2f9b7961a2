"""Model versions in the Vertex AI Model Registry.

`artifact` copies what is served to its own folder in the models bucket, addressed by digest; `versions` registers it,
labels it with the gate's verdict and moves the aliases; `evaluation` imports its measurements; `origin` says what it has
learned from.
Aliases: `challenger` is the newest version, `champion` the one that serves, `previous` the champion before it,
`sha256-<digest>` the one with those files.
"""
