"""The chapters of the report, a module each: the numbers that `report.json` gets (`numbers`) and how the page shows them (`section`).

Lives here: `training` (data to predictions), `parity` (the other engines), `drift` (the monitor's verdicts) and `rollout` (who
took whose place; `traffic`: with what share, when).
Does not live here: the page's frame (`page`), drawings (`charts`, `tracks`) and building blocks (`markup`).
A section shows the numbers that it is given and computes none. Only rows themselves, pictures and texts, come from the run beside
them: `report.json` holds no content.
"""
