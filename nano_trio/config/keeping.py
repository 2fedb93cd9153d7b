"""A configuration as text, for the parent process to keep: what a worker runs with when the file cannot be used.

Not the file's own text, which would be checked again, against a disk that has changed since: where the folder of one
app is gone, all the others are to be served all the same. So the checked configuration itself is kept, pickled. It
holds what the file holds, secrets among it, and stays in memory: it goes to the parent and back by a socket that nobody
else has.
"""

import base64
import pickle
import zlib

from nano_trio import __version__
from nano_trio.config.model import Config


def keep(config: Config) -> str:
    """The configuration as text. Blocks for about a second where there are a hundred thousand apps."""
    return base64.b64encode(zlib.compress(pickle.dumps((__version__, config)), 1)).decode("ascii")


def kept(text: str) -> Config | None:
    """What :func:`keep` was given; None where another version of nano-trio kept it. Only for text of our own parent."""
    try:
        version, config = pickle.loads(zlib.decompress(base64.b64decode(text)))
    except Exception:  # whatever classes of another version make of it
        return None
    return config if version == __version__ and isinstance(config, Config) else None
