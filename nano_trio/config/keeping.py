"""A configuration as text, for the parent process to keep: what a worker runs with when the file cannot be used.

Not the file's own text, which would be checked again, against a disk that has changed since: where the folder of one
app is gone, all the others are to be served all the same. So the checked configuration itself is kept, pickled. It
holds what the file holds, secrets among it, and stays in memory: it goes to the parent and back by a socket that nobody
else has.
"""

import base64
import pickle
import zlib
from operator import attrgetter
from typing import Any

import attrs

from nano_trio import __version__
from nano_trio.config.apps import App
from nano_trio.config.model import Config

_KEYS = tuple(field.name for field in attrs.fields(App))
_DEFAULTS = tuple(field.default for field in attrs.fields(App))
_values = attrgetter(*_KEYS)


def keep(config: Config) -> str:
    """The configuration as text. Blocks for about half a second where there are a hundred thousand apps."""
    kept = __version__, attrs.evolve(config, apps=()), list(map(_said, config.apps))
    return base64.b64encode(zlib.compress(pickle.dumps(kept), 1)).decode("ascii")


def kept(text: str) -> Config | None:
    """What :func:`keep` was given; None where another version of nano-trio kept it. Only for text of our own parent."""
    try:
        version, config, apps = pickle.loads(zlib.decompress(base64.b64decode(text)))
        if version != __version__ or not isinstance(config, Config):
            return None
        return attrs.evolve(config, apps=tuple(App(**said) for said in apps))
    except Exception:  # whatever classes of another version make of it
        return None


def _said(app: App) -> dict[str, Any]:
    """Of an app's thirty values the few that are not the defaults: to pickle all of them takes five times as long."""
    values = _values(app)
    return {key: value for key, value, default in zip(_KEYS, values, _DEFAULTS, strict=True) if value is not default}
