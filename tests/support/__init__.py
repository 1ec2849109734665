"""What several tests share: checkouts, servers, clusters, data; no test, no fixture."""
