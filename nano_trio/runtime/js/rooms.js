// Rooms: `import { publish, members, count } from "nano:rooms"`, and what the sockets' own methods share with it.
//
// The host keeps the rooms (actors/rooms.py). The module of that name takes its exports from a global, which is the way
// for modules of ours to reach the platform.
(platform) => {
  "use strict";
  const { load, makeError, statics, uncurry } = platform;
  const { requireArguments, fail } = load("webidl_core");
  const { isText, toMessage, ahead } = load("websocket_core");
  const host = platform.host("websocket_server");
  const toWellFormed = uncurry("String", "toWellFormed");
  const MOST_CHARACTERS = 256;

  function toRoom(value, context) {
    if (typeof value !== "string" || value.length === 0 || value.length > MOST_CHARACTERS) {
      fail(context, `A room's name must be a string of 1 to ${MOST_CHARACTERS} characters.`);
    }
    return toWellFormed(value);
  }
  /** Put a connection into a room. */
  function subscribe(number, room) {
    if (!host.subscribe(number, room)) {
      throw makeError("QuotaExceededError", "The app's WebSockets are in too many rooms.");
    }
  }
  /** Send to all in a room but the connection of that number; how many those are. */
  function send(number, room, message, context) {
    room = toRoom(room, context);
    message = toMessage(message, context);
    const reached = host.publish(number, room, ahead(message), isText(message));
    if (reached < 0) {
      throw makeError("QuotaExceededError", `${context}: Too much that was published still waits to be sent.`);
    }
    return reached;
  }

  /** Send to all in a room; returns how many those are. */
  function publish(room, message) {
    const context = "Failed to execute 'publish'";
    requireArguments(arguments.length, 2, context);
    return send(0, room, message, context);
  }
  /** The WebSockets in a room, those that came first first. */
  function members(room) {
    const numbers = host.members(toRoom(room, "Failed to execute 'members'"));
    const found = [];
    for (let i = 0; i < numbers.length; i++) {
      const socket = load("websocket_server").facadeOf(numbers[i]);
      if (socket !== undefined) found[found.length] = socket;
    }
    return found;
  }
  /** How many WebSockets are in a room. */
  function count(room) {
    return host.count(toRoom(room, "Failed to execute 'count'"));
  }
  const { freeze } = statics.Object;
  const rooms = freeze({ __proto__: null, publish, members, count });

  return {
    __proto__: null,
    module: freeze({ __proto__: null, rooms, publish, members, count }),
    toRoom,
    subscribe,
    publish: send,
  };
}
