// What the modules of ours that apps import, nano:rooms say, reach of the platform: by one property of WeakRef for all of
// them, which every isolate has (other tables would grow for it). Those modules are of the app's own realm,
// so nothing is given here that an app may not have.
(platform) => {
  "use strict";
  const reached = {
    __proto__: null,
    get rooms() {
      return platform.load("rooms").module;
    },
    get asyncContext() {
      return platform.load("async_context");
    },
    get node() {
      return platform.load("node");
    },
  };
  platform.statics.Object.freeze(reached);
  return { __proto__: null, "nano:modules": () => reached };
}
