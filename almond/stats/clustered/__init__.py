"""Regression with two crossed factors random, participants and themes, beside other predictors."""
