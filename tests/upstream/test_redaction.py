"""Which words are secrets, and what stands for them."""

from aibridge.model import Credential
from aibridge.upstream.redaction import redact, replacements


def test_the_credential_is_shown_as_its_hint_and_other_keys_not_at_all() -> None:
    credential = Credential("byok", (b"authorization", b"Bearer sk-own-key"), "sk-…")
    secrets = replacements(credential, ["sk-other"])
    assert redact(b"sk-own-key, sk-other; SK-OTHER", secrets) == "sk-…, ***; SK-OTHER".encode()


def test_the_scheme_may_be_written_in_any_case() -> None:
    credential = Credential("byok", (b"authorization", b"bEARER sk-own-key"), "hint")
    assert redact(b"bEARER sk-own-key", replacements(credential, ())) == b"bEARER hint"


def test_a_key_that_another_begins_with() -> None:
    assert redact(b"sk-abcdef sk-abc", replacements(None, ["sk-abc", "sk-abcdef"])) == b"*** ***"


def test_words_too_short_to_be_secrets_stay() -> None:
    assert redact(b"a key", replacements(None, ["", "a", "key"])) == b"a key"
