"""Tests on a real Home Assistant process, with Chromium where a person looks."""
