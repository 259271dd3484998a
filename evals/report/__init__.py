"""A run's report, and two runs compared: from the run's two files, and from nothing else.

`reading.py` reads them, `statistics/` counts (pure), `pictures/` draws, `page/` makes the HTML
page, `compare/` pairs two runs. Corrected accuracies, as of judged tasks, come from outside.
"""
