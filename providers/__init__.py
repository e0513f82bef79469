"""Every provider in this tree, written out."""

from gateway.contract.provider import Provider
from providers.harmonizely import Harmonizely

PROVIDERS: tuple[Provider, ...] = (Harmonizely(),)
