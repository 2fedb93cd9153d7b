// fetch() with `Upgrade: websocket`, as in Workers: a response of status 101 whose `webSocket` is the connection.
// The host closes one that is neither accepted nor sent out in time.
(platform) => {
  "use strict";
  const { load, uncurry, operation, promiseThen, withResolvers } = platform;
  const { internals } = load("websocket");
  const { makeClient } = load("websocket_pair");
  const { fromHost, stateOf } = load("response");
  const { getValue, linesOf } = load("headerlist");
  const host = platform.host("websocket");
  const exec = uncurry("RegExp", "exec");
  const join = uncurry("Array", "join");
  const split = uncurry("String", "split");
  const slice = uncurry("String", "slice");
  const trim = uncurry("String", "trim");
  /** What the handshake has of its own (RFC 6455, section 4.1), and what frames or concerns one connection only. */
  const OWN =
    /^(host|connection|upgrade|content-length|transfer-encoding|expect|te|trailer|keep-alive|proxy-connection|sec-websocket-.*)$/;

  /** Connect; `state` is the request's, `networkError(code, message)` makes what fetch() rejects with. */
  function connect(state, signal, networkError) {
    const { promise, resolve, reject } = withResolvers();
    const { list } = state;
    linesOf(list, state.url, "The request's"); // for its error: what is sent is less
    const offer = getValue(list, "sec-websocket-protocol");
    const protocols = offer === null ? [] : split(offer, ",");
    for (let i = 0; i < protocols.length; i++) protocols[i] = trim(protocols[i]);
    const headers = [];
    for (let i = 0; i < list.length; i += 2) {
      if (exec(OWN, list[i]) !== null) continue;
      headers[headers.length] = list[i];
      headers[headers.length] = list[i + 1];
    }
    const url = "ws" + slice(state.url, 4);
    const number = host.open(url, join(protocols, ","), join(headers, "\n"));
    if (number === 0) {
      reject(networkError("ERR_WEBSOCKET", "too many connections are open"));
      return promise;
    }
    let abort = null;
    let isAborted = false;
    if (signal !== null) {
      abort = () => {
        isAborted = true;
        host.close(number, null, "");
        reject(signal.reason);
      };
      load("abort").addAlgorithm(signal, abort);
    }
    promiseThen(
      operation((id) => host.openForFetch(id, number)),
      (event) => {
        if (abort !== null) load("abort").removeAlgorithm(signal, abort);
        if (isAborted || event[0] !== "open") {
          // What was open before it was aborted closes by itself; nobody awaits its end.
          host.forget(number);
          reject(networkError("ERR_WEBSOCKET", event[4] ?? "the connection was closed"));
          return;
        }
        const socket = makeClient(number);
        internals.agree(socket, url, event[1], event[2]);
        const response = fromHost(101, "", event[1] === "" ? [] : ["sec-websocket-protocol", event[1]], null, state.url);
        stateOf(response).webSocket = socket;
        resolve(response);
      },
    );
    return promise;
  }

  return { __proto__: null, connect };
}
