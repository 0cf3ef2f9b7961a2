"""Terraform over the stacks of an environment: bootstrap of the state bucket, plan, apply, destroy.

Lives here: the verbs over all stacks (`runner`), one stack (`stack`), Terraform as a supervised child (`child`, `keeper`), which
binary (`binary`, `embedded`) and which provider (`providers`, `standin/`) runs, the project and the state bucket with its locks
(`project`, `state`), Google's REST APIs (`rest`), what is adopted after a kill (`adoption`), what Python undeploys before a destroy
(`endpoints`), and `wrapper` with `wrapped` for the cdktf command line.
Does not live here: what is declared (`infra/stacks`), and who may apply what (`infra/review`, IAM).
Start reading: `runner.py`, then `stack.py`.
"""

from infra.terraform.errors import TerraformFailed
from infra.terraform.runner import Result, apply, bootstrap, destroy, plan, validate

__all__ = ["Result", "TerraformFailed", "apply", "bootstrap", "destroy", "plan", "validate"]
