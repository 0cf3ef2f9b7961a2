"""Which model version an endpoint's traffic goes to.

`deployment` puts one version in front of all traffic. The endpoint is Terraform's; what is deployed to it and the traffic
split are ours, so the stack ignores changes of those fields.
"""
