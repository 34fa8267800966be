"""The file of sinks: what it may say, and how it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alluse_operator.cluster.alerting.configuration import SinkType, load, parse
from alluse_operator.errors import SettingsError

WEBHOOK = {"type": "webhook", "url": "https://hooks.example/x", "hmacKeyFile": "/secrets/pager/hmac"}


def test_sinks_are_read_with_their_files(tmp_path: Path) -> None:
    file = tmp_path / "sinks.json"
    file.write_text(
        json.dumps(
            {
                "pager": WEBHOOK,
                "am": {
                    "type": "alertmanager",
                    "urlFile": "/secrets/am/url",
                    "tokenFile": "/secrets/am/token",
                },
                "people": {"type": "apprise", "urlFile": "/secrets/people/url"},
            }
        )
    )
    pager, manager, people = load(file)
    assert (pager.name, pager.type, pager.url) == ("pager", SinkType.WEBHOOK, "https://hooks.example/x")
    assert pager.hmac_key_file == Path("/secrets/pager/hmac")
    assert (manager.url, manager.url_file, manager.token_file) == (
        "",
        Path("/secrets/am/url"),
        Path("/secrets/am/token"),
    )
    assert people.type is SinkType.APPRISE
    assert parse("{}", "nowhere") == ()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "must be an object of sinks by name"),
        ({"Pager": WEBHOOK}, "sink 'Pager': a name has lower case letters"),
        ({"log": WEBHOOK}, "sink 'log': this one is built in"),
        ({"pager": "https://x"}, "sink 'pager' must be an object of texts"),
        ({"pager": {**WEBHOOK, "retries": 3}}, "sink 'pager' must be an object of texts"),
        ({"pager": {**WEBHOOK, "type": "mail"}}, "type 'mail' is none of webhook, alertmanager, apprise"),
        ({"pager": {**WEBHOOK, "hmacKey": "abc"}}, "webhook takes no hmacKey; it takes"),
        ({"pager": {"type": "webhook", "url": "https://x"}}, "webhook needs hmacKeyFile"),
        ({"pager": {**WEBHOOK, "urlFile": "/x"}}, "give either url or urlFile"),
        ({"am": {"type": "alertmanager"}}, "give either url or urlFile"),
        ({"am": {"type": "alertmanager", "url": "ftp://x"}}, "its url is no http or https URL"),
        ({"am": {"type": "alertmanager", "url": "http://"}}, "its url is no http or https URL"),
        ({"am": {"type": "alertmanager", "url": "http://u:planted@x"}}, "holds a user name or password"),
        ({"am": {"type": "alertmanager", "url": "http://x/a b"}}, "holds white space"),
        ({"am": {"type": "alertmanager", "url": "http://x:99999"}}, "is no URL"),
        ({"p": {"type": "apprise", "url": "slack://x"}}, "apprise takes no url"),
        ({f"s{n}": WEBHOOK for n in range(33)}, "has 33 sinks; 32 are the most"),
    ],
)
def test_what_is_wrong_is_named(document: Any, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(json.dumps(document), "sinks.json")
    assert said in str(refused.value)
    assert "planted" not in str(refused.value)


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"sinks\.json cannot be read \(FileNotFoundError\)"):
        load(tmp_path / "sinks.json")
    (tmp_path / "sinks.json").write_text("{")
    with pytest.raises(SettingsError, match="is no JSON"):
        load(tmp_path / "sinks.json")


def test_a_sink_that_needs_a_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alluse_operator.cluster.alerting.configuration.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"allusesystem\[apprise\]"):
        parse('{"p": {"type": "apprise", "urlFile": "/x"}}', "sinks.json")
