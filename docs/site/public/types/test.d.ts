// Types of "nano:test", what the tests of `nano-trio test` are written with. All of it is global in test files, too.
// Where another runner's types are installed as well, leave this file out, and import from "nano:test".

declare module "nano:test" {
  type Body = () => unknown;
  /** A time-out in ms. */
  type Options = number | { timeout?: number };

  interface Test {
    (name: string, body: Body, options?: Options): void;
    (name: string, options: Options, body: Body): void;
  }
  interface Each<Make> {
    /** One for each row. In the name `%s` is a value as a string, `%o` as the console shows it. */
    <Row extends readonly unknown[] | [unknown]>(rows: readonly Row[]): (name: string, body: (...row: Row) => Make, options?: Options) => void;
    <Value>(values: readonly Value[]): (name: string, body: (value: Value) => Make, options?: Options) => void;
  }
  interface TestFunction extends Test {
    /** Run only these. */
    only: Test;
    skip: Test;
    /** Tests that are to be written. */
    todo(name: string, body?: Body): void;
    each: Each<unknown>;
  }
  interface Suite {
    (name: string, body: () => void): void;
  }
  interface SuiteFunction extends Suite {
    only: Suite;
    skip: Suite;
    each: Each<void>;
  }
  type Hook = (body: Body, timeout?: number) => void;

  export const it: TestFunction;
  export const test: TestFunction;
  export const describe: SuiteFunction;
  export const beforeAll: Hook;
  export const afterAll: Hook;
  export const beforeEach: Hook;
  export const afterEach: Hook;

  interface TestSocket {
    /** The subprotocol that the app chose, or "". */
    readonly protocol: string;
    /** When the connection is over. */
    readonly closed: Promise<{ code: number; reason: string }>;
    send(message: NanoTrio.Message | Blob): void;
    /** The next message. Rejects after `timeout` ms (4000), and where the connection is over. */
    receive(options?: { timeout?: number }): Promise<string | ArrayBuffer>;
    close(code?: number, reason?: string): Promise<{ code: number; reason: string }>;
    /** The messages, until the connection is over. */
    [Symbol.asyncIterator](): AsyncGenerator<string | ArrayBuffer, void>;
  }

  /** The app of the folder, in an isolate of its own, without a network between. A path is one of http://localhost. */
  export const app: {
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /** Open a WebSocket. Rejects where the app answers with anything else. What a test leaves open ends with it. */
    connect(url?: string | URL, options?: { protocols?: string | string[]; headers?: HeadersInit }): Promise<TestSocket>;
    /** Wait until the app has nothing in progress: what `ctx.waitUntil` was given, timers, fetches, messages. */
    settled(): Promise<void>;
  };

  type Class = abstract new (...args: any) => unknown;
  interface Matchers<Result> {
    toBe(expected: unknown): Result;
    toEqual(expected: unknown): Result;
    toStrictEqual(expected: unknown): Result;
    toMatchObject(part: object): Result;
    toBeNull(): Result;
    toBeUndefined(): Result;
    toBeDefined(): Result;
    toBeNaN(): Result;
    toBeTruthy(): Result;
    toBeFalsy(): Result;
    toBeGreaterThan(expected: number | bigint): Result;
    toBeGreaterThanOrEqual(expected: number | bigint): Result;
    toBeLessThan(expected: number | bigint): Result;
    toBeLessThanOrEqual(expected: number | bigint): Result;
    toBeCloseTo(expected: number, digits?: number): Result;
    toBeInstanceOf(type: Class): Result;
    toBeTypeOf(type: "string" | "number" | "bigint" | "boolean" | "symbol" | "undefined" | "object" | "function"): Result;
    toMatch(pattern: string | RegExp): Result;
    toContain(item: unknown): Result;
    toContainEqual(item: unknown): Result;
    toHaveLength(length: number): Result;
    toHaveProperty(path: string | readonly PropertyKey[], value?: unknown): Result;
    toThrow(expected?: string | RegExp | Class | { message: string } | Asymmetric): Result;
    toThrowError(expected?: string | RegExp | Class | { message: string } | Asymmetric): Result;
    toHaveBeenCalled(): Result;
    toHaveBeenCalledTimes(times: number): Result;
    toHaveBeenCalledWith(...args: unknown[]): Result;
    toHaveBeenLastCalledWith(...args: unknown[]): Result;
  }
  interface Both<Result> extends Matchers<Result> {
    not: Matchers<Result>;
  }
  /** Stands for any value that matches. */
  type Asymmetric = any;

  export const expect: {
    (value: unknown): Both<void> & { resolves: Both<Promise<void>>; rejects: Both<Promise<void>> };
    anything(): Asymmetric;
    any(type: Class | typeof String | typeof BigInt | typeof Symbol): Asymmetric;
    objectContaining(part: object): Asymmetric;
    arrayContaining(items: readonly unknown[]): Asymmetric;
    stringContaining(text: string): Asymmetric;
    stringMatching(pattern: string | RegExp): Asymmetric;
    fail(message?: string): never;
  };

  interface Mock<F extends (...args: any[]) => any> {
    (...args: Parameters<F>): ReturnType<F>;
    mock: { calls: Parameters<F>[]; results: ({ type: "return"; value: ReturnType<F> } | { type: "throw"; value: unknown })[] };
    mockImplementation(body: F): this;
    mockImplementationOnce(body: F): this;
    mockReturnValue(value: ReturnType<F>): this;
    mockReturnValueOnce(value: ReturnType<F>): this;
    mockResolvedValue(value: Awaited<ReturnType<F>>): this;
    mockRejectedValue(error: unknown): this;
    mockClear(): this;
  }
  /** A function that remembers its calls. */
  export function fn<F extends (...args: any[]) => any = (...args: any[]) => any>(implementation?: F): Mock<F>;
}

declare const app: (typeof import("nano:test"))["app"];
declare const describe: (typeof import("nano:test"))["describe"];
declare const it: (typeof import("nano:test"))["it"];
declare const test: (typeof import("nano:test"))["test"];
declare const expect: (typeof import("nano:test"))["expect"];
declare const fn: (typeof import("nano:test"))["fn"];
declare const beforeAll: (typeof import("nano:test"))["beforeAll"];
declare const afterAll: (typeof import("nano:test"))["afterAll"];
declare const beforeEach: (typeof import("nano:test"))["beforeEach"];
declare const afterEach: (typeof import("nano:test"))["afterEach"];
