"""The page of a study: claims, tables, figures, data, cost and provenance in one HTML file.

It holds everything that it shows and loads nothing; the files that it links to lie in the
repository.
"""
