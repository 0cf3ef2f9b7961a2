"""Short scripts in the manner of the public quickstarts, as a stranger to this repository would paste them.

They know nothing of it but a container image: no fixture, no marker, no setting of ours. `test_tutorials` runs each as a process of its
own by `playbook run`, as the README tells people to.
"""
