"""The host half of ``commonjs.js``: which file ``require()`` means, and its code.

What these functions answer is a string that begins with what it is: ``!`` an error (its name and code, then its text,
then its stack, each in a line of its own but for the last), or what each of them says. A file's code is a function.
"""

from __future__ import annotations

import quickjs

from nano_trio.engine.commonjs import CommonJS, file_name, is_ours
from nano_trio.engine.native_calls import enters
from nano_trio.engine.resolution import ModuleError
from nano_trio.runtime.host import NO_ROOM, Exhausted, Namespace, Services, text_of

__all__ = ["namespace"]

_NOT_FOUND = "!Error MODULE_NOT_FOUND\n"


def namespace(services: Services) -> Namespace:
    """The functions that ``commonjs.js`` calls."""

    def files() -> CommonJS | None:
        code = services.code
        return None if code is None else code.commonjs

    def main() -> str:
        """The file that the app begins with."""
        code = services.code
        return "" if code is None else code.main.removeprefix("app:/")

    @enters
    def resolve(specifier: str | quickjs.Value, importer: str | quickjs.Value) -> str:
        """What a specifier means in a file: ``/`` and a file, or ``:`` and the name of a module of ours."""
        specifier, commonjs = text_of(specifier), files()
        if commonjs is None:
            return f"{_NOT_FOUND}Cannot find module '{specifier}'\n"
        try:
            found = commonjs.resolve(specifier, text_of(importer))
        except ModuleError as error:
            why = _line(str(error))
            if " does not export " in why:
                return f"!Error ERR_PACKAGE_PATH_NOT_EXPORTED\n{why}\n"
            return f"{_NOT_FOUND}Cannot find module '{_line(specifier)}': {why}\n"
        except (OSError, ValueError):
            # No file system has such a name.
            return f"{_NOT_FOUND}Cannot find module '{_line(specifier)}': no such file in the app's folder\n"
        return f":{found}" if is_ours(found) else f"/{found}"

    @enters
    def load(target: str | quickjs.Value, here: quickjs.Value) -> str | quickjs.Value:
        """The function that a file's CommonJS module is; ``{`` and a JSON file's text; or ``*``, for an ES module.

        ``here``: any value of the isolate's.
        """
        target, commonjs = text_of(target), files()
        if commonjs is None:
            return f"{_NOT_FOUND}Cannot find module '{target}'\n"
        try:
            if target.endswith(".json"):
                commonjs.folder.read(file_name(target))
                return "{" + commonjs.folder.shown(file_name(target))
            if target.endswith(".node"):
                return f"!Error ERR_DLOPEN_FAILED\ncannot load {target}: an app has no native addons\n"
            if not commonjs.is_one(target) and target.endswith((".js", ".mjs", ".ts", ".mts", ".tsx")):
                return "*"
            code = commonjs.code(target).code
        except ModuleError as error:
            return f"{_NOT_FOUND}{_line(str(error))}\n"
        except quickjs.JSError as error:
            name, _, message = str(error).partition(": ")
            stack = getattr(error, "js_stack", "").rstrip() or f"    at <anonymous> ({file_name(target)})"
            return f"!{name or 'SyntaxError'} \n{_line(message)}\n{stack}"
        try:
            context = here.context
            function: quickjs.Value = context.eval_function(context.read_object(code))
        except NO_ROOM as error:
            raise Exhausted(error) from None
        return function

    return {"resolve": resolve, "load": load, "main": main}


def _line(text: str) -> str:
    return text.replace("\n", " ")
