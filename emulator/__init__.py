"""The local Google Cloud: one process on loopback that answers for Google's hosts, so that the code of this repository runs unmodified.

It imports nothing of the other rooms, and none of them imports it: it is reached over the network. Whatever is not emulated is refused.

* `__main__` – the command; `cloud` – what behaviours are given; `images` – which image is which entry point.
* `gateway/` – proxy, certificates, gRPC bridge. Behind it everything is REST.
* `dispatch` – from a request to its answer. Start here.
* `discovery`, `validation`, `enums` – Google's own description of its APIs, and requests held to it; `expressions` – conditions in them.
* `resources`, `writes`, `filters`, `operations`, `projects` – the rule for every resource; `behaviours/` – what it cannot know, per API.
* `store` – the state; `clock` – times, numbers and tags in it.
* `identity` – who calls; `access/` – what they may do; `quotas` – how much of it; `recording` – what they asked.
* `engines/` – what really runs; `processes/` – where it runs; `console/` – pages that show the state.
"""
