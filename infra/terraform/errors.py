"""The one error of this folder."""


class TerraformFailed(Exception):
    """Something that Terraform, its state or its provider refused; the message is complete and meant for people."""
