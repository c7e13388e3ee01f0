"""Tests of the pure metering layer."""
