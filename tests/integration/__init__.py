"""Tests that compute on the real backends."""
