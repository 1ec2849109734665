"""No password is accepted in a configuration or shown in a message, whatever its form."""

import json
import pickle
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake.logging import format_resources

from sigmoid_bce.jobs import credentials
from sigmoid_bce.jobs.credentials import Hidden, held, masked
from sigmoid_bce.planning.sections import recorded
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.config import Tracking
from sigmoid_bce.study.parse import parse
from support.checkout import SMOKE

SECRET = "hunter2!"
ADDRESSES = [
    "https://me:{}@host:5000/mlflow",
    "postgresql://me:{}@host/runs",
    "postgresql://me:{}@/runs?host=/var/run/postgresql",
    "postgresql:///runs?user=me&password={}",
    "postgresql://host/runs?sslpassword={}&sslmode=require",
    "postgresql://host/runs?pass%77ord={}",
    "mysql+pymysql://host/runs?passwd={}",
    "mssql+pyodbc:///?odbc_connect=Driver%3D%7BODBC%7D%3BUID%3Dme%3BPWD%3D{}",
    "mssql+pyodbc:///?odbc_connect=DRIVER={{ODBC}};UID=me;PWD={{{}}};",
    "mssql://host;user=me;Password={};database=runs",
    "https://host/mlflow?access_token={}",
    "https://host/mlflow#token={}",
    "https://host/x?X-Amz-Signature={}",
    "https://host/x?sv=1&sig={}",
    "https://host/x?api_key={}",
    "sqlite:///mlflow.db?password={}",
]
FORMS = {
    "as it is": SECRET,
    "encoded": quote("hun@ter/2?#", safe=""),
    "with an @": "hun@ter2.",
    "with a /": "hun/ter2.",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_with_a_secret_is_refused_and_masked(address, form, monkeypatch):
    secret = FORMS[form]
    full = address.format(secret)
    assert held(full)
    with pytest.raises(ConfigError, match="tracking: uri holds a name or password") as caught:
        parse({**SMOKE, "tracking": {"uri": full}})
    assert secret not in str(caught.value)
    # a / ends the address's user unless the environment knows it
    assert secret not in masked(f"{full} is away") or form == "with a /"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", full)
    # what a driver says of an address that it took apart, perhaps at the wrong character
    cut = form.startswith("with") and "{}@" in address
    plain = secret[4:] if cut else unquote(secret)
    for text in (full, f'no host "{plain}@host"', f"{plain!r} is no number", f"url={quote(full)}"):
        assert secret not in masked(text)
        assert plain not in masked(text)


@pytest.mark.parametrize(
    "address",
    [
        "", "https://host", "http://127.0.0.1:5000", "http://[::1]:5000/mlflow", "https://host/@me/x",
        "postgresql://host:5432/runs?sslmode=require", "postgresql://a:1,b:2/runs",
        "postgresql:///runs?host=/var/run/postgresql", "sqlite:////home/a@b/pass/mlflow.db",
        "sqlite:///mlflow.db?timeout=30", "sqlite:////keys/tokens/mlflow.db", "databricks://profile",
    ],
)  # fmt: skip
def test_other_addresses_are_accepted_and_shown(address):
    assert Tracking(uri=address).uri == address
    assert masked(f"{address} is away") == f"{address} is away"


def test_the_address_of_a_download_is_shown_without_a_secret():
    address = f"https://host/a.zip?key={SECRET}"
    sources = Hidden(json.dumps([address, f"https://host/b#{SECRET}"]))
    shown = format_resources({"sources": sources, "mem_mb": 400})
    assert shown == 'sources=["https://host/a.zip?***", "https://host/b#***"], mem_mb=400'
    assert json.loads(sources)[0] == address
    assert type(pickle.loads(pickle.dumps(sources))) is str
    archive = {"url": address, "sha256": "0" * 64}
    dataset = {"source": "http", "image_size": 8, "positive": "a", "archive": archive}
    study = parse(SMOKE | {"datasets": SMOKE["datasets"] | {"a": dataset}})
    assert study.datasets["a"].archive.url == [address]
    noted = recorded(study, "tracking")
    assert noted["datasets"]["a"]["archive"]["url"] == ["https://host/a.zip?***"]
    assert {**noted, "datasets": 0} == {
        **study.model_dump(mode="json", exclude={"tracking"}),
        "datasets": 0,
    }
    archive = {"url": f"https://me:{SECRET}@host/a.zip", "sha256": "0" * 64}
    study = SMOKE | {"datasets": {"a": {"source": "http", "image_size": 8, "archive": archive}}}
    with pytest.raises(ConfigError, match="without a user or a password") as caught:
        parse(study)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "MLFLOW_TRACKING_PASSWORD={}", "AWS_SECRET_ACCESS_KEY: {}", '{{"password": "{}"}}',
        "password='{}' host=db", "export PGPASSWORD='{}'", "Pwd={};Server=db",
    ],
)  # fmt: skip
def test_lines_of_environment_files_are_masked(text):
    assert SECRET not in masked(text.format(SECRET))


def test_a_token_in_place_of_a_user_is_masked(monkeypatch):
    assert held(f"https://{SECRET}@host")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://{SECRET}@host")
    assert masked(f"no user {SECRET} at https://{SECRET}@host") == "no user *** at https://***@host"


def test_secrets_of_the_environment_are_masked_and_words_are_not(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    assert masked(f"401: {SECRET} is wrong") == "401: *** is wrong"
    text = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; cwd is /home/me"
    assert masked(text) == text
    monkeypatch.setenv("SOME_TOKEN", "1")
    assert masked("1 of 11") == "1 of 11"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=4))
def test_any_password_is_masked_where_it_is_encoded(password):
    address = f"postgresql://me:{quote(password, safe='')}@host/runs"
    assert held(address)
    assert masked(address) == "postgresql://***@host/runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(credentials.ADDRESS, address)
        assert password not in masked(f"no host {password}") or password in "no host ***"
