"""Providers come from this repository and from installed plugins; one that cannot be used says which it is."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.contract.errors import ConfigurationError
from gateway.contract.provider import Provider
from gateway.registry import NoSimulator, load_providers, load_simulator
from providers import PROVIDERS

PLUGIN = """
from gateway.contract.provider import ByHand, Provider
from gateway.contract.signatures import Unsigned

class Plugin(Provider):
    name = "{name}"
    title = "A plugin"
    docs = "https://example.com"
    signature = Unsigned("it does not sign, https://example.com")
    webhooks = ByHand("paste {{url}}")
    types = ()
    def recognises(self, inbound, body, account): return False
    def translate(self, receipt): return []

ready = Plugin()
"""
SIMULATOR = """
from gateway.contract.simulator import Simulator

class Simulation(Simulator):
    credentials = {}
    app = None
    def settings(self, base_url): return {}
    def headers(self, hook, word, body): return ()
    def story(self): return []
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one plugin, as pip would leave it on the path."""
    before = set(sys.modules)

    def installed(point: str, **modules: str) -> None:
        package = tmp_path / "aplugin"
        package.mkdir()
        for name, text in modules.items():
            (package / f"{name}.py").write_text(text)
        info = tmp_path / "aplugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aplugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[gateway.providers]\n{point}\n")
        monkeypatch.syspath_prepend(tmp_path)

    yield installed
    for name in {name for name in sys.modules if name.startswith("aplugin")} - before:
        del sys.modules[name]


def test_the_repositorys_own_providers_are_all_there() -> None:
    assert list(load_providers()) == [provider.name for provider in PROVIDERS]
    assert all(isinstance(provider, Provider) for provider in PROVIDERS)


@pytest.mark.parametrize("attribute", ["Plugin", "ready"])
def test_an_installed_plugin_is_found_as_class_or_as_value(install: Install, attribute: str) -> None:
    install(f"x = aplugin:{attribute}", __init__=PLUGIN.format(name="aplugin"))
    providers = load_providers()
    assert list(providers)[-1] == "aplugin"
    assert providers["aplugin"].title == "A plugin"


@pytest.mark.parametrize("name", ["A", "a-b", "", "a b", "ä", "a/b"])
def test_a_name_that_could_not_stand_in_a_key_is_refused(install: Install, name: str) -> None:
    install("x = aplugin:Plugin", __init__=PLUGIN.format(name=name))
    with pytest.raises(ConfigurationError, match=r"x = aplugin:Plugin: name .* lower-case letters and digits"):
        load_providers()


def test_the_gateways_own_name_is_refused(install: Install) -> None:
    install("x = aplugin:Plugin", __init__=PLUGIN.format(name="gateway"))
    with pytest.raises(ConfigurationError, match="x = aplugin:Plugin: 'gateway' is what events about the gateway"):
        load_providers()


def test_two_plugins_of_one_name_are_refused(install: Install) -> None:
    install("x = aplugin:Plugin", __init__=PLUGIN.format(name=PROVIDERS[0].name))
    with pytest.raises(ConfigurationError, match=f"x = aplugin:Plugin: a provider named '{PROVIDERS[0].name}'"):
        load_providers()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("", "AttributeError"),
        ("class Plugin:\n    def __init__(self): raise OSError('disk')", "OSError: disk"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named(install: Install, code: str, why: str) -> None:
    install("x = aplugin:Plugin", __init__=code)
    with pytest.raises(ConfigurationError, match=f"gateway.providers: x = aplugin:Plugin: cannot be imported: {why}"):
        load_providers()


def test_a_plugin_that_is_no_provider_is_named(install: Install) -> None:
    install("x = aplugin:Plugin", __init__="Plugin = 3")
    with pytest.raises(ConfigurationError, match=r"x = aplugin:Plugin: name . class that inherits Provider"):
        load_providers()


@pytest.mark.parametrize("module", ["__init__", "plugin"])
def test_a_simulator_lies_beside_its_plugin(install: Install, module: str) -> None:
    install(
        "x = aplugin:Plugin" if module == "__init__" else "x = aplugin.plugin:Plugin",
        **{"__init__": "", module: PLUGIN.format(name="aplugin"), "simulator": SIMULATOR},
    )
    assert load_simulator(load_providers()["aplugin"])().story() == []


@pytest.mark.parametrize("simulator", [None, "", "Simulation = 3", "import no_such_module_anywhere"])
def test_a_plugin_without_a_simulator_says_so(install: Install, simulator: str | None) -> None:
    modules = {} if simulator is None else {"simulator": simulator}
    install("x = aplugin:Plugin", __init__=PLUGIN.format(name="aplugin"), **modules)
    with pytest.raises(ConfigurationError, match=r"aplugin: .*Simulation"):
        load_simulator(load_providers()["aplugin"])


def test_a_plugin_that_brings_no_simulator_is_told_from_one_whose_simulator_is_broken(install: Install) -> None:
    install("x = aplugin:Plugin", __init__=PLUGIN.format(name="aplugin"), simulator="import no_such_module_anywhere")
    with pytest.raises(ConfigurationError) as broken:
        load_simulator(load_providers()["aplugin"])
    assert not isinstance(broken.value, NoSimulator)


def test_a_plugin_in_one_file_has_no_simulator(install: Install, tmp_path: Path) -> None:
    (tmp_path / "aplugin_alone.py").write_text(PLUGIN.format(name="alone"))
    install("x = aplugin_alone:Plugin", __init__="")
    with pytest.raises(NoSimulator, match="alone: no class Simulation"):
        load_simulator(load_providers()["alone"])


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_provider_of_this_repository_has_a_simulator(provider: Provider) -> None:
    story = load_simulator(provider)().story()
    assert story[-1].type is None
    assert any(scene.type for scene in story)
