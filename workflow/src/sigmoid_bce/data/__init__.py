"""Images: from a source to decoded, split arrays. Nothing here runs a network or a job."""
