"""A shared server as docs/tracking.md sets it up: PostgreSQL, S3, users; no file has a secret."""

import base64
import json
import tempfile
import urllib.request
from pathlib import Path

import psycopg2
import pytest
from mlflow import MlflowClient
from test_tracking import cold_start

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.tracking import anybody, store
from support.checkout import ROOT
from support.export import exported
from support.servers import authentication, mlflow_server, postgresql, s3, status
from support.tracked import STUDY, UNCHANGED, client, command, copied, track

HOSTS = ("--allowed-hosts", "127.0.0.1,127.0.0.1:*")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with postgresql(tmp_path_factory.mktemp("database")) as address:
        yield address


def another(database):
    """Return the address of a new database of the same server."""
    connection = psycopg2.connect(database)
    connection.autocommit = True
    connection.cursor().execute("CREATE DATABASE another")
    connection.close()
    return database.replace("/postgres", "/another")


def test_32_processes_on_an_empty_postgresql(database, smoke, tmp_path):
    (tmp_path / "workflow").symlink_to(smoke / "workflow")
    cold_start(tmp_path, MLFLOW_TRACKING_URI=database)


def test_users_of_a_postgresql_lock_nothing_but_the_database(database, tmp_path, monkeypatch):
    """A lock in /tmp would belong to the first user, and keep others out."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setattr(store, "LOCK_LIMIT", 1)
    with store._alone(database):
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(store.TrackingError, match="lock timeout") as caught:
            store.client()
    assert database.split(":")[2].split("@")[0] not in str(caught.value)


@pytest.fixture(scope="module")
def shared(database, tmp_path_factory):
    """A server on PostgreSQL and S3 with users and allowed hosts; access, secrets, its folder."""
    folder = tmp_path_factory.mktemp("server")
    options, environment, password, key = authentication(folder)
    with (
        s3(folder) as bucket,
        mlflow_server(
            folder, database, "--artifacts-destination", "s3://runs", *HOSTS, *options,
            **environment, **bucket,
        ) as server,
    ):  # fmt: skip
        secrets = [password, key, bucket["AWS_SECRET_ACCESS_KEY"]]
        secrets.append(database.split(":")[2].split("@")[0])
        access = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
        yield server, {"MLFLOW_TRACKING_URI": server.uri, **access}, secrets, folder


def as_admin(monkeypatch, access):
    for name, value in access.items():
        monkeypatch.setenv(name, value)
    return MlflowClient(access["MLFLOW_TRACKING_URI"])


def everywhere(*folders):
    for folder in folders:
        for file in Path(folder).rglob("*"):
            if file.is_file() and not file.is_symlink():
                yield file


def test_the_shared_server_holds_the_same_runs_and_no_secret(shared, smoke, tmp_path, monkeypatch):
    _, access, secrets, place = shared
    folder = copied(smoke, tmp_path / "copy")
    assert track(folder)[0] == 0
    local = exported(client(folder), STUDY)
    code, log = track(folder, **access)
    assert code == 0, log
    assert track(folder, **access)[1].splitlines()[-3:-1] == UNCHANGED
    remote = as_admin(monkeypatch, access)
    assert exported(remote, STUDY) == local
    experiment = remote.get_experiment_by_name(STUDY)
    assert experiment.artifact_location.startswith("mlflow-artifacts:")
    # the same study, logged again
    remote.delete_experiment(experiment.experiment_id)
    assert track(folder, **access)[0] == 0

    found = tmp_path / "artifacts"
    for run in remote.search_runs([experiment.experiment_id]):
        remote.download_artifacts(run.info.run_id, "", str(found))
    for model in remote.search_logged_models([experiment.experiment_id]):
        assert model.artifact_location.startswith("mlflow-artifacts:")
    for secret in secrets:
        needle = secret.encode()
        for file in everywhere(folder, found, place):
            if file.name not in ("users.db",):
                assert needle not in file.read_bytes(), file


def test_requests_without_credentials_are_refused(shared, smoke, tmp_path):
    server, access, *_ = shared
    folder = copied(smoke, tmp_path / "copy")
    for path in ("", "api/2.0/mlflow/experiments/search?max_results=1", "get-artifact?path=x"):
        assert status(f"{server.uri}/{path}") == 401
    for wrong in ({}, {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "guess"}):
        code, log = track(folder, MLFLOW_TRACKING_URI=server.uri, **wrong)
        assert code == 1
        _, line = log.splitlines()  # the first one says the time that it took
        assert "refuses these credentials; set MLFLOW_TRACKING_USERNAME" in line
    # a request to another host name is refused, even with the right password
    user = ":".join((access["MLFLOW_TRACKING_USERNAME"], access["MLFLOW_TRACKING_PASSWORD"]))
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
    headers["Host"] = "elsewhere.example"
    path = "api/2.0/mlflow/experiments/search?max_results=1"
    request = urllib.request.Request(f"{server.uri}/{path}", headers=headers)
    assert status(request) == 403


def test_a_verdict_about_a_run_of_somebody_else(shared, tmp_path, monkeypatch):
    server, access, _, _ = shared
    client = as_admin(monkeypatch, access)
    run = client.create_run(client.create_experiment("theirs")).info.run_id
    for name, text in {"a é.csv": "label,raw_output\n0,2.5\n", "other.csv": "a,b\n1,2\n"}.items():
        (tmp_path / name).write_text(text)
        client.log_artifact(run, str(tmp_path / name), "of them")
    request = urllib.request.Request(
        f"{server.uri}/api/2.0/mlflow/users/create",
        json.dumps({"username": "reader", "password": "twelve signs"}).encode(),
        {"Content-Type": "application/json"},
    )
    admin = f"admin:{access['MLFLOW_TRACKING_PASSWORD']}".encode()
    request.add_header("Authorization", f"Basic {base64.b64encode(admin).decode()}")
    assert status(request) == 200
    page, place = tmp_path / "page", "verdict/of them/a é"
    page.mkdir()
    (page / "verdict.html").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reader")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "twelve signs")
    with anybody.fetched(f"mlflow:{run}") as found:
        assert found.path == "of them/a é.csv"
        assert found.file.read_bytes() == (tmp_path / "a é.csv").read_bytes()
        with pytest.raises(UserError, match=r"refuses these.*The verdict is in") as caught:
            anybody.log_verdict(found, "Fine.", page, {"samples": 2})
        assert "\n" not in str(caught.value)
    assert not found.file.exists()
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "another secret")
    with pytest.raises(UserError, match="refuses these credentials") as caught:
        anybody.fetched(f"mlflow:{run}").__enter__()
    assert "another secret" not in str(caught.value)
    as_admin(monkeypatch, access)
    with anybody.fetched(f"mlflow:{run}") as found:
        assert anybody.log_verdict(found, "Fine.", page, {"samples": 2}) == place
    assert client.get_run(run).data.tags[place] == "Fine."
    assert client.get_run(run).data.metrics == {f"{place}/samples": 2}
    with pytest.raises(UserError, match="no such run at http"):
        anybody.fetched("mlflow:" + 32 * "a").__enter__()


def test_a_database_without_a_server(database, smoke, tmp_path):
    """The client uses PostgreSQL itself; the password is in no file and no message."""
    folder = copied(smoke, tmp_path / "copy")
    assert track(folder)[0] == 0
    database = another(database)
    assert track(folder, MLFLOW_TRACKING_URI=database)[0] == 0
    local = exported(client(folder), STUDY)
    assert exported(MlflowClient(database), STUDY) == local
    password = database.split(":")[2].split("@")[0]
    wrong = database.replace(password, f"{password}x")
    done = command(folder, "log", "results/smoke", MLFLOW_TRACKING_URI=wrong)
    assert done.returncode == 1
    assert "://***@127.0.0.1" in done.stdout
    assert password not in done.stdout
    for file in everywhere(folder / "results"):
        assert password.encode() not in file.read_bytes(), file


def test_the_document_has_the_options_that_were_tested():
    text = (ROOT / "docs/tracking.md").read_text()
    for part in (*HOSTS[:1], "--app-name basic-auth", "--artifacts-destination s3://", "createdb"):
        assert part in text
