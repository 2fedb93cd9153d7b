// Web IDL 2.8: DOMException.

const LEGACY = { IndexSizeError: 1, HierarchyRequestError: 3, WrongDocumentError: 4, InvalidCharacterError: 5,
  NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9, InUseAttributeError: 10, InvalidStateError: 11,
  SyntaxError: 12, InvalidModificationError: 13, NamespaceError: 14, InvalidAccessError: 15, TypeMismatchError: 17,
  SecurityError: 18, NetworkError: 19, AbortError: 20, URLMismatchError: 21, QuotaExceededError: 22, TimeoutError: 23,
  InvalidNodeTypeError: 24, DataCloneError: 25 };

test("DOMException: the interface has the shape that WebIDL gives it", async () => {
  isInterface("DOMException", ["name", "message", "code"], {});
});

test("DOMException: it inherits from Error's prototype, not from Error", async () => {
  equal(Object.getPrototypeOf(DOMException), Function.prototype);
  equal(Object.getPrototypeOf(DOMException.prototype), Error.prototype);
  ok(new DOMException() instanceof Error);
});

test("DOMException: it is an error to the language, also where a class extends it", async () => {
  class Extended extends DOMException {
    #own = 5;
    get own() {
      return this.#own;
    }
  }
  const extended = new Extended("m", "AbortError");
  equal([Error.isError(new DOMException()), Error.isError(AbortSignal.abort().reason), Error.isError(extended)], [true, true, true]);
  equal([extended.own, extended.name, extended.message, extended.code, extended instanceof Extended], [5, "AbortError", "m", 20, true]);
  equal(Object.getOwnPropertyNames(new DOMException("m")), ["stack"]);
  const inheriting = Object.create(new DOMException());
  ok(!Error.isError(inheriting));
  for (const key of ["name", "message", "code"]) throws(TypeError, () => inheriting[key]);
});

test("DOMException: its stack begins where it was made", async () => {
  function makes() {
    return new DOMException("m");
  }
  ok(/^Error: m\n {4}at makes \(test\.js:/.test(makes().stack), makes().stack);
  ok(/^AbortError: gone\n {4}at /.test(new DOMException("gone", "AbortError").stack));
  ok(/^AbortError\n {4}at /.test(new DOMException("", "AbortError").stack));
  ok(/^AbortError: /.test(AbortSignal.abort().reason.stack), AbortSignal.abort().reason.stack);
});

test("DOMException: message and name default and are converted", async () => {
  const read = (e) => [e.message, e.name, e.code];
  equal(read(new DOMException()), ["", "Error", 0]);
  equal(read(new DOMException(undefined, undefined)), ["", "Error", 0]);
  equal(read(new DOMException(null, null)), ["null", "null", 0]);
  equal(read(new DOMException("m", "NoSuchError")), ["m", "NoSuchError", 0]);
  throws(TypeError, () => new DOMException(Symbol()));
});

test("DOMException: legacy names have their codes, newer ones 0", async () => {
  for (const name in LEGACY) equal(new DOMException("", name).code, LEGACY[name], name);
  for (const name of ["EncodingError", "OperationError", "DataError", "toString", "__proto__"]) {
    equal(new DOMException("", name).code, 0, name);
  }
});

test("DOMException: the constants are on the constructor and the prototype, enumerable and read-only", async () => {
  const names = Object.keys(DOMException).filter((key) => key.endsWith("_ERR"));
  equal(names.length, 25);
  equal([DOMException.INDEX_SIZE_ERR, DOMException.DOMSTRING_SIZE_ERR, DOMException.VALIDATION_ERR], [1, 2, 16]);
  equal([DOMException.ABORT_ERR, DOMException.DATA_CLONE_ERR, new DOMException().QUOTA_EXCEEDED_ERR], [20, 25, 22]);
  for (const target of [DOMException, DOMException.prototype]) {
    const d = Object.getOwnPropertyDescriptor(target, "TIMEOUT_ERR");
    equal([d.value, d.writable, d.enumerable, d.configurable], [23, false, true, false]);
  }
});

test("DOMException: it prints as an error and carries the stack of its making", async () => {
  const error = new DOMException("gone", "NotFoundError");
  equal(String(error), "NotFoundError: gone");
  equal(typeof error.stack, "string");
  ok(!Object.keys(error).includes("stack"));
});
