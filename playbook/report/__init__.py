"""What a run of the loop shows for itself: `build/loop/report.html` and `build/loop/report.json`.

Lives here: the one self-contained page (`page`, `page.css`), its drawings (`charts`) and what each result proves (`evidence`).
Does not live here: any measurement. Every number comes from the step that computed it, and the page says which.
Start reading: `page.py`.
"""
