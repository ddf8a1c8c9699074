"""How sure a fitted model is: standard errors, intervals, effects."""
