"""From the tables of results to statistics, figures and tables for print."""
