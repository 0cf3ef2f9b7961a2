"""Processes that the local Google Cloud runs for its users: pipeline steps, custom jobs, deployed models.

`command` says what to run and how it ended. `launcher` is a child program with one thread that forks: a *warm* one for each
image has imported the image's heavy libraries and its own modules, so that a step which needs TensorFlow starts in milliseconds, and
gives way to a new one when these modules were edited; a *bare* one starts programs.
`child` is what happens between the fork and the user's code. `supervisor` is the asyncio side: it starts the
launchers, limits how many commands run at a time, hands on the lines that they print, and ends them; `said` keeps the one that tells why.
Nothing outlives the emulator: a launcher ends everything it started as soon as its control socket closes.
Start reading: `command.py`, then `supervisor.py`.
"""
