"""What stacks are made of: each takes one frozen props dataclass and says what it creates and what it deliberately does not.

Construct ids are stable words, never an index: they become Terraform addresses, and an address that moves replaces a
resource. Start reading: `bucket.py`.
"""

from infra import synthesis

synthesis.prepare()
