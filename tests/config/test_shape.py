"""What the schema says about a key path."""

from aibridge.config import CircuitBreaker, Provider, Settings, shape


def test_a_path_leads_through_sections_and_chosen_names() -> None:
    assert shape.core(shape.at(Settings, ("providers", "any"))) is Provider
    assert shape.core(shape.at(Settings, ("providers", "any", "circuit_breaker"))) is CircuitBreaker
    assert shape.core(shape.at(Settings, ("providers", "any", "base_url"))) is str
    assert shape.core(shape.at(Settings, ("server", "port"))) is int


def test_a_path_may_lead_nowhere() -> None:
    assert shape.at(Settings, ("nothing", "at", "all")) is None
    assert shape.at(Settings, ("server", "port", "more")) is None


def test_keys_are_fixed_in_sections_and_chosen_in_mappings() -> None:
    assert shape.is_section(Settings)
    assert not shape.is_mapping(Settings)
    assert shape.is_mapping(shape.at(Settings, ("providers",)))
    assert not shape.is_section(shape.at(Settings, ("providers",)))
    assert list(shape.keys(shape.at(Settings, ("auth",)))) == ["mode", "header", "role_header", "trusted_proxies"]
    assert shape.keys(shape.at(Settings, ("server", "port"))) == {}
