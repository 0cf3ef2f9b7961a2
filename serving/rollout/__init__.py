"""Which model version an endpoint's traffic goes to, and which models the web page uses.

`promotion` is where to start reading: it releases a version and takes it back. `canary` moves the traffic by steps, `gates` decides
at each of them from the answers that `probing` gets, `deployment` deploys and puts one version in front of all traffic, `web` does
the same for the page, `web_server` for the service behind it. Endpoint and service are Terraform's; what is deployed to them and the
traffic split are ours, so the stack ignores changes of those fields.
"""
