"""Stand-in for the google provider, where neither the Terraform registry nor a mirror can be had.

Terraform talks to it as to any provider (`server`, by `TF_REATTACH_PROVIDERS`). Its schema is read from the installed bindings
(`schema`), and what it plans (`planning`) it applies by the REST calls that the provider makes (`resources`, `steps`, `behaviours`,
`grants`; `values` translates), for the types in its table (`types.yaml`, `types`). It knows neither the provider's own checks nor its
suppressed differences, and is called provider stand-in wherever its result is shown.
Start reading: `types.yaml`, then `resources.py`.
"""
