"""Everything that says *where* and *how big*: one strict YAML file per environment, and every name derived from it.

Lives here: the YAML files, the models that validate them (`schema` over `foundation`, `workloads` and `fields`; `tasks`, `gemini`,
`parity`), the loader with its remedial errors (`loading`), every name that Terraform declares and code uses (`names`), the one client
factory (`clients`) and the JSON Schemas for editors (`schemas/`, written by `make schemas`).
Does not live here: the address of Google Cloud. A laptop and Google Cloud differ by the process environment alone.
Start reading: `dev.yaml`, then `schema.py`, then `names.py`.
"""

from environments.loading import ConfigurationError, catalogue, load, load_all, organisation, parity, tasks
from environments.names import Names
from environments.schema import Environment, Organisation

__all__ = [
    "ConfigurationError",
    "Environment",
    "Names",
    "Organisation",
    "catalogue",
    "load",
    "load_all",
    "organisation",
    "parity",
    "tasks",
]
