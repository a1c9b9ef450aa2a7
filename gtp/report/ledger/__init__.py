"""The ledger of claims: what papers claim, measured on the results tables of a study, and whether it holds.

A claim (`claims`) has a measure (`measures`), which gives effects with intervals from the tables that a study
has (`results`), and a rule that comes from the paper and not from our numbers.
"""
