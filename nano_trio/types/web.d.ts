// Types of Web interfaces that TypeScript's library for workers lacks, and of HTMLRewriter and `scheduler`, as on Workers.

interface URLPatternInit {
  protocol?: string;
  username?: string;
  password?: string;
  hostname?: string;
  port?: string;
  pathname?: string;
  search?: string;
  hash?: string;
  baseURL?: string;
}

interface URLPatternOptions {
  ignoreCase?: boolean;
}

interface URLPatternComponentResult {
  input: string;
  groups: { [name: string]: string | undefined };
}

interface URLPatternResult {
  inputs: (string | URLPatternInit)[];
  protocol: URLPatternComponentResult;
  username: URLPatternComponentResult;
  password: URLPatternComponentResult;
  hostname: URLPatternComponentResult;
  port: URLPatternComponentResult;
  pathname: URLPatternComponentResult;
  search: URLPatternComponentResult;
  hash: URLPatternComponentResult;
}

interface URLPattern {
  test(input?: string | URL | URLPatternInit, baseURL?: string | URL): boolean;
  exec(input?: string | URL | URLPatternInit, baseURL?: string | URL): URLPatternResult | null;
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
  readonly search: string;
  readonly hash: string;
  readonly hasRegExpGroups: boolean;
}

declare var URLPattern: {
  prototype: URLPattern;
  new (input?: string | URL | URLPatternInit, options?: URLPatternOptions): URLPattern;
  new (input: string | URL | URLPatternInit, baseURL: string | URL, options?: URLPatternOptions): URLPattern;
};

interface Body {
  /** The body as a stream of text, decoded as UTF-8. */
  textStream(): ReadableStream<string>;
}

interface Blob {
  /** Its bytes as a stream of text, decoded as UTF-8. */
  textStream(): ReadableStream<string>;
}

interface Scheduler {
  /** Resolves after `delay` ms; rejects once the signal aborts. */
  wait(delay: number, options?: { signal?: AbortSignal }): Promise<void>;
}

declare var scheduler: Scheduler;

declare namespace NanoTrio {
  type HTMLContent = string | ReadableStream | Response;

  interface HTMLContentOptions {
    /** Content is HTML; otherwise text, which is escaped. */
    html?: boolean;
  }

  interface HTMLUnit {
    readonly removed: boolean;
    before(content: HTMLContent, options?: HTMLContentOptions): this;
    after(content: HTMLContent, options?: HTMLContentOptions): this;
    replace(content: HTMLContent, options?: HTMLContentOptions): this;
    remove(): this;
  }

  interface HTMLElementUnit extends HTMLUnit {
    tagName: string;
    readonly attributes: Iterable<[string, string]>;
    readonly namespaceURI: string;
    getAttribute(name: string): string | null;
    hasAttribute(name: string): boolean;
    setAttribute(name: string, value: string): this;
    removeAttribute(name: string): this;
    prepend(content: HTMLContent, options?: HTMLContentOptions): this;
    append(content: HTMLContent, options?: HTMLContentOptions): this;
    setInnerContent(content: HTMLContent, options?: HTMLContentOptions): this;
    removeAndKeepContent(): this;
    onEndTag(handler: (tag: HTMLEndTag) => unknown): void;
  }

  interface HTMLEndTag {
    name: string;
    before(content: HTMLContent, options?: HTMLContentOptions): this;
    after(content: HTMLContent, options?: HTMLContentOptions): this;
    remove(): this;
  }

  interface HTMLTextUnit extends HTMLUnit {
    readonly text: string;
    readonly lastInTextNode: boolean;
  }

  interface HTMLCommentUnit extends HTMLUnit {
    text: string;
  }

  interface HTMLElementHandlers {
    element?(element: HTMLElementUnit): unknown;
    comments?(comment: HTMLCommentUnit): unknown;
    text?(text: HTMLTextUnit): unknown;
  }

  interface HTMLDocumentHandlers {
    doctype?(doctype: { readonly name: string | null; readonly publicId: string | null; readonly systemId: string | null }): unknown;
    comments?(comment: HTMLCommentUnit): unknown;
    text?(text: HTMLTextUnit): unknown;
    end?(end: { append(content: HTMLContent, options?: HTMLContentOptions): unknown }): unknown;
  }
}

interface HTMLRewriter {
  on(selector: string, handlers: NanoTrio.HTMLElementHandlers): HTMLRewriter;
  onDocument(handlers: NanoTrio.HTMLDocumentHandlers): HTMLRewriter;
  transform(response: Response): Response;
}

declare var HTMLRewriter: {
  prototype: HTMLRewriter;
  new (): HTMLRewriter;
};

/** Bytes that are written are read as they are, as on Workers. */
interface IdentityTransformStream extends TransformStream<Uint8Array | string, Uint8Array> {}

declare var IdentityTransformStream: {
  prototype: IdentityTransformStream;
  new (strategy?: QueuingStrategy): IdentityTransformStream;
};

/** Exactly so many bytes pass; as the body of a response it gives that its `content-length`. */
interface FixedLengthStream extends IdentityTransformStream {}

declare var FixedLengthStream: {
  prototype: FixedLengthStream;
  new (length: number | bigint, strategy?: QueuingStrategy): FixedLengthStream;
};
