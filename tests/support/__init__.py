"""Helpers that several tests share: checkouts, servers, clusters, data. No tests, no fixtures."""
