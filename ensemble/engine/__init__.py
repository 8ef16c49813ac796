"""The exact weight search, in four parts.

- What is scored: `stack` and `images` check members beside the truth, `undecided` keeps what weights can change and
  `count_winners` counts it; `counted`, `areas` and `objectives` make metrics of many weight vectors of it.
- How it is searched: `grid` over a `simplex`, where that is too fine `branches` over `cells`, `narrowing` rows to what
  a cell leaves open and gathering what is `tied`; `line` by exact `sweep`; `greedy`; under a `budget`; the result is a
  `choice`.
- Boxes: `box_rows`, `cluster_boxes` and `match_boxes` make fusion and matching fast, `box_objectives` scores them, a
  `family` has an objective for each setting of the fusion.
- What it is worth: `resampling`, `rechosen` and `rechosen_images` choose again on other patients, `contributions` tell
  members apart; `per_class` is the option that has most to choose.
"""
