"""The exact weight search, in six rooms, each of which imports only those above it.

- `scoring`: what is scored. `stack` and `images` check members beside the truth, `presolve` keeps what weights can
  change and `count_winners` counts it; `confusion_metric`, `roc_auc` and `objectives` make metrics of many weight
  vectors of it. `class_members` splits members by class, `objective_by_threshold` has an objective for all thresholds.
- `grid`: weights in whole steps. `grid_search` over a `simplex`, where that is too fine `branch_and_bound` over boxes
  of it (`simplex_box`), `bounding` their scores and gathering the `incumbents`; `greedy`; under a `budget`, and with a
  `penalty` on weights far from equal ones. The result of every search is a `choice`.
- `line`: weights of any value. `line_search` by exact `sweep`; `per_class`, the option that has most to choose.
- `boxes`: of detection. `box_rows`, `cluster_boxes` and `match_boxes` make fusion and matching fast, `box_objectives`
  scores them.
- `nested`: what the search is worth. `resampled_gains`, by `scorers`, are what `nested_estimate` chooses from again on
  other patients, as `nested_search` and `nested_search_images` do where more is chosen; `contributions` tells members
  apart.
- `rules`: what is made of the optima of all patients and of resamples. `exponential` is the default of the `rules`,
  `shrinkage` another; `cross_validation` judges them on patients that they have not seen.
"""
