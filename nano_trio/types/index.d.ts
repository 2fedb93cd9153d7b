// Types of what nano-trio has beyond the Web's own: handlers, ctx, rooms, WebSocketPair, service bindings.
//
// To be used beside TypeScript's own types of workers:
//   { "compilerOptions": { "lib": ["es2024", "webworker"], "module": "esnext", "moduleResolution": "bundler",
//     "types": [], "strict": true, "noEmit": true }, "include": ["**/*.ts", ".nano-trio/*.d.ts"] }
//
//   const app: NanoTrio.App<{ GREETING: string; AUTH: NanoTrio.Service }> = { fetch(request, env, ctx) { … } };
//   export default app;

declare namespace NanoTrio {
  /** What a message may be. */
  type Message = string | ArrayBuffer | ArrayBufferView;

  /** An app's default export. `Env`: its `env` and `services`; `Data`: what `ctx.upgrade` hands to the handlers. */
  interface App<Env = unknown, Data = any> {
    fetch(request: Request, env: Env, ctx: ExecutionContext<Data>): Response | Promise<Response>;
    /** For connections that `ctx.upgrade(request)` accepts. */
    websocket?: WebSocketHandlers<Data>;
  }

  /** The third argument of a `fetch` handler. */
  interface ExecutionContext<Data = any> {
    /** Keep the app's work alive after the response, until the promise settles. */
    waitUntil(promise: unknown): void;
    /** There is no origin behind an app to pass to: this does nothing. */
    passThroughOnException(): void;
    /** The client's address, without a port; null once the request is over, and where another app asks. */
    readonly remoteAddress: string | null;
    /** What the client's certificate says, where it gave one that was verified. */
    readonly clientCertificate: ClientCertificate | null;
    /** Accept the request's WebSocket for the app's `websocket` handlers; answer with the response. */
    upgrade(request: Request, options?: UpgradeOptions<Data>): Response;
    /** Send to all WebSockets in a room; returns how many those are. */
    publish(room: string, message: Message | Blob): number;
  }

  interface UpgradeOptions<Data = any> {
    /** The `data` of the connection's `ServerWebSocket`. */
    data?: Data;
    /** Further headers of the 101 response. */
    headers?: HeadersInit;
    /** The subprotocol; it must be one that the client offered. */
    protocol?: string;
  }

  /** Names are as in RFC 4514, times in ISO 8601, the serial number and the SHA-256 fingerprint in hexadecimal. */
  interface ClientCertificate {
    readonly subject: string | null;
    readonly issuer: string | null;
    readonly serialNumber: string | null;
    readonly notBefore: string | null;
    readonly notAfter: string | null;
    /** Each with its kind before it: `DNS:client.example`. */
    readonly subjectAltNames: readonly string[];
    readonly fingerprint: string;
    readonly pem: string;
  }

  /** A handler that throws, or whose promise rejects, closes its connection with 1011. */
  interface WebSocketHandlers<Data = any> {
    open?(socket: ServerWebSocket<Data>, request: Request): unknown;
    message?(socket: ServerWebSocket<Data>, message: string | ArrayBuffer): unknown;
    /** What was sent has left. */
    drain?(socket: ServerWebSocket<Data>): unknown;
    close?(socket: ServerWebSocket<Data>, code: number, reason: string): unknown;
    /** A handler threw. */
    error?(socket: ServerWebSocket<Data>, error: unknown): unknown;
  }

  /** One WebSocket of a client. */
  interface ServerWebSocket<Data = any> {
    data: Data;
    /** 0 connecting, 1 open, 2 closing, 3 closed. */
    readonly readyState: 0 | 1 | 2 | 3;
    readonly protocol: string;
    readonly remoteAddress: string | null;
    /** Bytes that were sent and wait to leave. */
    readonly bufferedAmount: number;
    /** Returns the bytes that wait to leave then, this message among them. */
    send(message: Message | Blob): number;
    close(code?: number, reason?: string): void;
    subscribe(room: string): void;
    unsubscribe(room: string): void;
    isSubscribed(room: string): boolean;
    /** Send to all in a room but this one; returns how many those are. */
    publish(room: string, message: Message | Blob): number;
  }

  /** Another app, under a name of this one's `services`. */
  interface Service {
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  }

  /** One end of a `WebSocketPair`. */
  interface PairedWebSocket extends WebSocket {
    /** Take part in the connection: from now on it gives events. */
    accept(): void;
    readonly remoteAddress: string | null;
    /** Something that can be cloned, kept with the connection. */
    serializeAttachment(value: unknown): void;
    deserializeAttachment(): any;
    subscribe(room: string): void;
    unsubscribe(room: string): void;
    isSubscribed(room: string): boolean;
    publish(room: string, message: Message | Blob): number;
  }
}

/** Groups of the app's WebSockets. */
declare module "nano:rooms" {
  interface Rooms {
    /** Send to all in a room; returns how many those are. */
    publish(room: string, message: NanoTrio.Message | Blob): number;
    /** The WebSockets in a room, those that came first first. */
    members(room: string): (NanoTrio.ServerWebSocket | NanoTrio.PairedWebSocket)[];
    /** How many WebSockets are in a room. */
    count(room: string): number;
  }
  export const rooms: Rooms;
  export const publish: Rooms["publish"];
  export const members: Rooms["members"];
  export const count: Rooms["count"];
}

/** What apps for Workers import. */
declare module "cloudflare:workers" {
  /** The handlers' `env`. */
  export const env: any;
  /** Keep the app's work alive after the response to the request on whose behalf this runs, until the promise settles. */
  export function waitUntil(promise: unknown): void;
  /** A class below this one may be the app's default export: one object of it is made for each request. */
  export abstract class WorkerEntrypoint<Env = any> {
    constructor(ctx: NanoTrio.ExecutionContext, env: Env);
    protected readonly ctx: NanoTrio.ExecutionContext;
    protected readonly env: Env;
    fetch?(request: Request): Response | Promise<Response>;
  }
  export abstract class RpcTarget {}
}

/** Two WebSockets that speak with each other: `0` is for the client, by `new Response(null, { status: 101, webSocket })`. */
declare const WebSocketPair: {
  new (): { 0: WebSocket; 1: NanoTrio.PairedWebSocket };
};

interface ResponseInit {
  /** With status 101: the end of a `WebSocketPair` that the client is to have. */
  webSocket?: WebSocket | null;
}

interface Response {
  /** Of a response to `fetch` with `Upgrade: websocket`. */
  readonly webSocket: NanoTrio.PairedWebSocket | null;
}

interface CacheStorage {
  /** The cache that every app has, as on Workers. */
  readonly default: Cache;
}

interface Crypto {
  /** A stream whose digest is known when it is closed, as on Workers. */
  readonly DigestStream: new (algorithm: AlgorithmIdentifier) => WritableStream<BufferSource> & {
    readonly digest: Promise<ArrayBuffer>;
  };
}

/** The arguments of `nano-trio run FILE ARGUMENTS`. */
declare const scriptArgs: readonly string[];
