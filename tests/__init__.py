"""Tests of the FlatPeak integration."""
