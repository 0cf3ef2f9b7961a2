"""What a run of the loop shows for itself: `build/loop/report.html` and `build/loop/report.json`.

Lives here: the one self-contained page (`page`, `page.css`), its chapters (`sections/`), its drawings (`charts` in SVG, `tracks` in
HTML), its building blocks (`markup`, `samples`), the numbers for programs (`summary`) and what each result proves (`evidence`).
Does not live here: any measurement. Every number comes from the step that computed it, and the page says which.
Start reading: `summary.py` for the keys of `report.json`, `page.py` for the page.
"""
