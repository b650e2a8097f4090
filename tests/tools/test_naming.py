from __future__ import annotations

import random
import re

from hypothesis import example, given
from hypothesis import strategies as st

from aibridge.tools.naming import injected_names

NAME = st.text(alphabet="ab_-.é ", max_size=8) | st.text(max_size=70)
TOOLS = st.dictionaries(NAME, st.lists(NAME, max_size=5, unique=True), max_size=4)
VALID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def names_of(tools: dict[str, list[str]], servers: list[str] | None = None) -> dict[tuple[str, str], str]:
    return injected_names("bmcp", servers or list(tools), tools)


def test_a_name_has_the_prefix_the_server_and_the_tool() -> None:
    assert names_of({"time": ["now"]}) == {("time", "now"): "bmcp_time_now"}


def test_characters_that_providers_refuse_become_underscores() -> None:
    assert names_of({"my.wiki": ["read/page:ä"]})["my.wiki", "read/page:ä"] == "bmcp_my_wiki_read_page__"


def test_two_servers_may_have_tools_of_one_name() -> None:
    names = names_of({"one": ["search"], "two": ["search"]})
    assert sorted(names.values()) == ["bmcp_one_search", "bmcp_two_search"]


def test_a_long_name_is_cut_and_hashed() -> None:
    name = names_of({"server": ["x" * 100]})["server", "x" * 100]
    assert re.fullmatch(r"bmcp_server_x{43}_[0-9a-f]{8}", name)
    assert len(name) == 64


def test_of_two_tools_that_clean_to_one_name_the_exact_one_keeps_it() -> None:
    names = names_of({"s": ["a.b", "a_b"]})
    assert names["s", "a_b"] == "bmcp_s_a_b"
    assert re.fullmatch(r"bmcp_s_a_b_[0-9a-f]{8}", names["s", "a.b"])


def test_where_none_is_exact_all_are_hashed() -> None:
    names = names_of({"s": ["a.b", "a/b"]})
    assert all(re.fullmatch(r"bmcp_s_a_b_[0-9a-f]{8}", name) for name in names.values())
    assert len(set(names.values())) == 2


def test_the_server_with_the_longer_name_keeps_a_contested_one_whoever_is_up() -> None:
    servers = ["git", "git_hub"]
    both = names_of({"git": ["hub_star"], "git_hub": ["star"]}, servers)
    assert both["git_hub", "star"] == "bmcp_git_hub_star"
    assert both["git", "hub_star"] != "bmcp_git_hub_star"
    assert names_of({"git": ["hub_star"]}, servers)["git", "hub_star"] == both["git", "hub_star"]
    assert names_of({"git_hub": ["star"]}, servers)["git_hub", "star"] == both["git_hub", "star"]


def test_of_two_servers_that_clean_to_one_name_the_exact_one_keeps_it() -> None:
    names = names_of({"a.b": ["t"], "a_b": ["t"], "a/b": ["t"]})
    assert names["a_b", "t"] == "bmcp_a_b_t"
    assert len(set(names.values())) == 3


def test_of_two_servers_none_of_which_is_exact_none_keeps_the_name() -> None:
    names = names_of({"a.b": ["t"], "a/b": ["t"]})
    assert "bmcp_a_b_t" not in names.values()
    assert len(set(names.values())) == 2


def test_a_tool_named_like_another_ones_hash_gets_a_name_of_its_own() -> None:
    hashed = names_of({"s": ["a.b", "a_b"]})["s", "a.b"].removeprefix("bmcp_s_")
    names = names_of({"s": ["a.b", "a_b", hashed]})
    assert names["s", hashed] == f"bmcp_s_{hashed}"
    assert len(set(names.values())) == 3


@given(TOOLS)
@example({"\ud800": ["\ud800"]})
def test_names_are_valid_and_all_different(tools: dict[str, list[str]]) -> None:
    names = names_of(tools)
    assert set(names) == {(server, tool) for server, listed in tools.items() for tool in listed}
    assert all(VALID.fullmatch(name) for name in names.values())
    assert len(set(names.values())) == len(names)


@given(TOOLS, st.randoms(use_true_random=False))
def test_names_do_not_depend_on_any_order(tools: dict[str, list[str]], chance: random.Random) -> None:
    shuffled = {
        server: chance.sample(tools[server], len(tools[server])) for server in chance.sample([*tools], len(tools))
    }
    assert names_of(shuffled, chance.sample([*tools], len(tools))) == names_of(tools)


@given(TOOLS, st.data())
def test_names_do_not_depend_on_which_servers_are_up(tools: dict[str, list[str]], data: st.DataObject) -> None:
    up = data.draw(st.sets(st.sampled_from([*tools]))) if tools else set()
    some = names_of({server: tools[server] for server in tools if server in up}, [*tools])
    everything = names_of(tools)
    assert some == {key: everything[key] for key in some}
