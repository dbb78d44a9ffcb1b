"""Encoding models: from BOLD runs and stimulus features to weights, targets and scores.

Where to look, in the order in which a fit uses them:

- configuration: ``config`` (one YAML file), ``config_*`` and ``settings_*`` (its sections), ``checks``
- runs: ``bids``, ``sidecars``, ``nifti``, ``confounds``, ``censor``, ``prepare``
- regions: ``region_specs``, ``regions``, ``atlas`` (label tables), ``resampling``
- features: ``features`` and ``feature_specs``; ``features_torch``, ``emonet``, ``layers``,
  ``named_networks``, ``preprocessing``, ``state_dicts``, ``weights_store``, ``fetching``; ``tables``,
  ``matlab``; ``video``; ``feature_cache``
- time: ``align``, ``hrf``, ``delays``
- models: ``pls``, ``ridge``, ``banded``; ``estimators`` shares the work of regions and folds (``lockstep``,
  ``gram``, ``row_sets``); ``backend`` is numpy or torch; ``families`` learn from several subjects
- evaluation: ``crossval``, ``evaluate``, ``nulls`` (noise features), ``ceiling``, ``permutation``
- the fit itself: ``fit``, ``job``, ``subject``, ``predictors``, ``index`` (nothing is fitted twice)
- whole brains, in chunks of voxels: ``streaming``, ``brain``
- what is kept: ``artifact``, ``collection``, ``betas`` (CSV files), ``score``, ``axes``, ``scorer``,
  ``prediction``
"""
