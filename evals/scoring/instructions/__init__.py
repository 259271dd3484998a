"""Instructions that can be checked: all 25 kinds of IFEval (Zhou et al. 2023, arXiv 2311.07911).

Written from the paper's descriptions; where they leave room, the check does what the benchmark's
published scores rest on: keywords are found inside words, too, paragraphs are parted by `***`.
"""
