"""Every provider in this tree, written out."""

from gateway.contract.provider import Provider
from providers.harmonizely import Harmonizely
from providers.harmony import Harmony
from providers.meetergo import Meetergo

PROVIDERS: tuple[Provider, ...] = (Harmonizely(), Meetergo(), Harmony())
