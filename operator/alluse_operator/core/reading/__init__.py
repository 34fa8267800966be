"""Raw objects to views: pure parsing, forgiving where the cluster's data is odd, silent about what
decides nothing.

A time that cannot be read counts as not there; a number that is missing as zero.
"""
