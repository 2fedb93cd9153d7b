"""A version of an app that is loaded and does not serve yet."""

from __future__ import annotations

import attrs

from nano_trio.actors.incarnation import Incarnation
from nano_trio.actors.settings import SupervisedSettings
from nano_trio.engine.modules import AppCode

__all__ = ["Version"]


@attrs.frozen(eq=False)
class Version:
    """What :meth:`nano_trio.actors.app.App.prepare` makes and ``switch`` brings into force."""

    settings: SupervisedSettings
    code: AppCode
    incarnation: Incarnation

    def discard(self) -> None:
        """It is not wanted after all."""
        self.incarnation.retire()
