"""Terraform over the stacks of an environment: bootstrap of what must exist before it, plan, apply, destroy.

Lives here: the verbs (`runner`), each over all stacks (`together`), one stack (`stack`), Terraform as a supervised child (`child`,
`keeper`), which binary (`binary`, `embedded`) and which provider (`providers`, `standin/`) runs, what a bootstrap makes (`groundwork`, of
`step`s: `project`, `enabled`, `restored`, `actors`, `consent`), the state bucket with its locks (`state`), an older state that comes back
(`recovery`), what identifies a saved plan (`saved`), how it waits for consent (`kept`, `approve`) and is let through (`approved`),
Google's REST APIs (`rest`), what is adopted after a kill (`adoption`) and what existed before (`existing`), what Python undeploys before
a destroy (`endpoints`), `errors` (one class), and `wrapper` with `wrapped` for the cdktf command line.
Does not live here: what is declared (`infra/stacks`), what a plan means (`infra/review`), and what makes an approval hold (`releases`).
Start reading: `runner.py`, then `stack.py`.
"""

from infra.terraform.errors import TerraformFailed
from infra.terraform.runner import adopt, apply, bootstrap, destroy, plan, settled, validate
from infra.terraform.together import Result

__all__ = ["Result", "TerraformFailed", "adopt", "apply", "bootstrap", "destroy", "plan", "settled", "validate"]
