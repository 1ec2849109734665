"""Addresses on other servers that documents name still answer. Needs a network."""

import re
import urllib.error
import urllib.request

import pytest

from support.documents import DOCUMENTS, FENCED

ADDRESS = re.compile(r"\]\((https?://[^)\s]+)\)")
ADDRESSES = sorted(
    {
        address
        for file in DOCUMENTS
        for address in ADDRESS.findall(FENCED.sub("", file.read_text()))
        if "//owner/" not in address and "github.com/owner" not in address
    }
)
REFUSALS = (403, 405, 429)
"""A server that is there, and answers browsers only."""


@pytest.mark.parametrize("address", ADDRESSES)
def test_external_link(address):
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    assert status in (200, *REFUSALS)
