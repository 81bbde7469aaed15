"""Findings become a page: summary, tables, figures and their HTML."""
