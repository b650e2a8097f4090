import inspect
import subprocess
import sys

import pytest

import aibridge.testing
from aibridge.testing import api


def test_every_public_name_is_there() -> None:
    assert [name for name in api.__all__ if not hasattr(aibridge.testing, name)] == []
    assert dir(aibridge.testing) == sorted(api.__all__)


def test_every_public_name_says_what_it_is() -> None:
    values = [getattr(api, name) for name in api.__all__]
    made_here = [value for value in values if inspect.isclass(value) or inspect.isfunction(value)]
    assert [value for value in made_here if not value.__doc__] == []
    assert len(made_here) > 30


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(AttributeError, match=r"module 'aibridge.testing' has no attribute 'FakeOpenIA'"):
        _ = aibridge.testing.FakeOpenIA  # type: ignore[attr-defined]  # the misuse


def test_importing_the_package_imports_no_server() -> None:
    code = "import sys, aibridge.testing.pytest_plugin; sys.exit('uvicorn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
