// Types of "nano:test", by which `nano-trio test` runs the files named *.test.js.

declare module "nano:test" {
  /** The app of the folder, in an isolate of its own: requests reach it without a network. */
  export const app: {
    /** A path such as `/tasks?done=1` is enough; a whole URL says for which host. */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /** Wait until the app has nothing in progress: what `ctx.waitUntil` was given, timers, fetches. */
    settled(): Promise<void>;
  };

  type Body = () => unknown;
  /** A number is the timeout in ms. */
  type Options = number | { timeout?: number };

  interface Test {
    (name: string, body: Body, options?: Options): void;
    (name: string, options: Options, body: Body): void;
  }
  interface Each {
    /** Arrays are the body's arguments, anything else is its only one; `%s` and the like in the name stand for them. */
    (rows: readonly unknown[]): (name: string, body: (...values: any[]) => unknown, options?: Options) => void;
  }

  export const it: Test & { skip: Test; only: Test; todo(name: string): void; each: Each };
  export const test: typeof it;
  interface Suite {
    (name: string, body: () => void): void;
  }
  export const describe: Suite & { skip: Suite; only: Suite; each: Each };

  type Hook = (body: Body, timeout?: number) => void;
  export const beforeAll: Hook;
  export const afterAll: Hook;
  export const beforeEach: Hook;
  export const afterEach: Hook;

  /** Names and meanings are those that Jest made familiar. */
  interface Matchers<Result> {
    toBe(value: unknown): Result;
    /** Equal by value; properties that are undefined count as absent. */
    toEqual(value: unknown): Result;
    toStrictEqual(value: unknown): Result;
    toMatchObject(part: object): Result;
    toBeNull(): Result;
    toBeUndefined(): Result;
    toBeDefined(): Result;
    toBeNaN(): Result;
    toBeTruthy(): Result;
    toBeFalsy(): Result;
    toBeGreaterThan(value: number | bigint): Result;
    toBeGreaterThanOrEqual(value: number | bigint): Result;
    toBeLessThan(value: number | bigint): Result;
    toBeLessThanOrEqual(value: number | bigint): Result;
    toBeCloseTo(value: number, digits?: number): Result;
    toBeInstanceOf(type: Function): Result;
    toBeTypeOf(type: string): Result;
    toMatch(pattern: string | RegExp): Result;
    toContain(item: unknown): Result;
    toContainEqual(item: unknown): Result;
    toHaveLength(length: number): Result;
    toHaveProperty(path: string | readonly string[], value?: unknown): Result;
    toThrow(expected?: unknown): Result;
    toThrowError(expected?: unknown): Result;
    toHaveBeenCalled(): Result;
    toHaveBeenCalledTimes(times: number): Result;
    toHaveBeenCalledWith(...values: unknown[]): Result;
    toHaveBeenLastCalledWith(...values: unknown[]): Result;
  }
  interface Expectation<Result> extends Matchers<Result> {
    not: Matchers<Result>;
  }

  export const expect: {
    (value: unknown): Expectation<void> & { resolves: Expectation<Promise<void>>; rejects: Expectation<Promise<void>> };
    anything(): any;
    any(type: Function): any;
    objectContaining(part: object): any;
    arrayContaining(items: readonly unknown[]): any;
    stringContaining(text: string): any;
    stringMatching(pattern: string | RegExp): any;
    fail(message?: string): never;
  };

  interface Mock {
    (...values: any[]): any;
    mock: { calls: any[][]; results: { type: "return" | "throw"; value: any }[] };
    mockImplementation(body: (...values: any[]) => any): Mock;
    mockImplementationOnce(body: (...values: any[]) => any): Mock;
    mockReturnValue(value: unknown): Mock;
    mockReturnValueOnce(value: unknown): Mock;
    mockResolvedValue(value: unknown): Mock;
    mockRejectedValue(error: unknown): Mock;
    mockClear(): Mock;
  }
  /** A function that remembers its calls. */
  export function fn(body?: (...values: any[]) => any): Mock;
}
