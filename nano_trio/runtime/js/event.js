// Events: DOM section 2, https://dom.spec.whatwg.org/#events
//
// No target here has a parent, so an event's path is its target alone: dispatch runs the target's capturing listeners,
// then the others. The global object is an EventTarget too: its listeners are kept by a hidden target that stands for
// it, because a class cannot give an existing object its private fields.
(platform) => {
  "use strict";
  const { requireArguments, fail, DOMString, isObject, defineInterface } = platform.load("webidl");
  const { defineProperty, getOwnPropertyDescriptor } = platform.statics.Object;
  const { apply } = platform.statics.Reflect;
  const { TypeError } = platform.constructors;
  const indexOf = platform.uncurry("Array", "indexOf");
  const slice = platform.uncurry("Array", "slice");
  const splice = platform.uncurry("Array", "splice");
  const clock = platform.host("performance");
  const substring = platform.uncurry("String", "substring");
  const globals = platform.global;
  /** Stands for the global object as an EventTarget, once anybody listens to it. */
  let globalTarget = null;

  // 2.2 An event's flags, as bits.
  const STOP_PROPAGATION = 1;
  const STOP_IMMEDIATE = 2;
  const CANCELED = 4;
  const IN_PASSIVE_LISTENER = 8;
  const COMPOSED = 16;
  const INITIALIZED = 32;
  const DISPATCH = 64;
  const TRUSTED = 128;
  const BUBBLES = 256;
  const CANCELABLE = 512;
  const AT_TARGET = 2;

  /** "Set the canceled flag": nothing where the event cannot be canceled or a passive listener runs. */
  function canceled(flags) {
    return (flags & (CANCELABLE | IN_PASSIVE_LISTENER)) === CANCELABLE ? CANCELED : 0;
  }

  function hasCapturing(list) {
    for (let i = 0; i < list.length; i++) if (list[i].capture) return true;
    return false;
  }

  let isTrusted, isEvent, initEvent, dispatch, setTrusted, isDispatchable;

  class Event {
    #type;
    #flags = INITIALIZED;
    #target = null;
    #currentTarget = null;
    #phase = 0;
    #timeStamp = clock.now();

    constructor(type) {
      requireArguments(arguments.length, 1, "Failed to construct 'Event'");
      this.#type = DOMString(type, "Failed to construct 'Event': Argument 1");
      defineProperty(this, "isTrusted", isTrusted);
      const init = arguments[1];
      if (init === undefined || init === null) return;
      if (!isObject(init)) fail("Failed to construct 'Event': Argument 2", "The value is not an object.");
      if (init.bubbles) this.#flags |= BUBBLES;
      if (init.cancelable) this.#flags |= CANCELABLE;
      if (init.composed) this.#flags |= COMPOSED;
    }

    get type() {
      return this.#type;
    }
    get target() {
      return this.#target;
    }
    get srcElement() {
      return this.#target;
    }
    get currentTarget() {
      return this.#currentTarget;
    }
    composedPath() {
      return this.#currentTarget === null ? [] : [this.#currentTarget];
    }
    get eventPhase() {
      return this.#phase;
    }
    stopPropagation() {
      this.#flags |= STOP_PROPAGATION;
    }
    get cancelBubble() {
      return (this.#flags & STOP_PROPAGATION) !== 0;
    }
    set cancelBubble(value) {
      this.#flags |= value ? STOP_PROPAGATION : 0;
    }
    stopImmediatePropagation() {
      this.#flags |= STOP_PROPAGATION | STOP_IMMEDIATE;
    }
    get bubbles() {
      return (this.#flags & BUBBLES) !== 0;
    }
    get cancelable() {
      return (this.#flags & CANCELABLE) !== 0;
    }
    get returnValue() {
      return (this.#flags & CANCELED) === 0;
    }
    set returnValue(value) {
      this.#flags |= value ? 0 : canceled(this.#flags);
    }
    preventDefault() {
      this.#flags |= canceled(this.#flags);
    }
    get defaultPrevented() {
      return (this.#flags & CANCELED) !== 0;
    }
    get composed() {
      return (this.#flags & COMPOSED) !== 0;
    }
    get timeStamp() {
      return this.#timeStamp;
    }
    initEvent(type, bubbles = false, cancelable = false) {
      this.#flags;
      requireArguments(arguments.length, 1, "Failed to execute 'initEvent' on 'Event'");
      initEvent(this, DOMString(type, "Failed to execute 'initEvent' on 'Event'"), bubbles, cancelable);
    }

    static {
      isEvent = (value) => isObject(value) && #flags in value;
      isTrusted = {
        __proto__: null,
        // [LegacyUnforgeable]: each event's own property, with one getter.
        get: getOwnPropertyDescriptor(
          {
            get isTrusted() {
              return (this.#flags & TRUSTED) !== 0;
            },
          },
          "isTrusted",
        ).get,
        enumerable: true,
      };

      /** "Initialize", unless the event is being dispatched; returns whether it did. */
      initEvent = (event, type, bubbles, cancelable) => {
        const flags = event.#flags;
        if (flags & DISPATCH) return false;
        event.#type = type;
        event.#target = null;
        event.#flags = INITIALIZED | (flags & COMPOSED) | (bubbles ? BUBBLES : 0) | (cancelable ? CANCELABLE : 0);
        return true;
      };

      // 2.9 Dispatching events
      dispatch = (event, target, watch) => {
        const exposed = target === globalTarget ? globals : target;
        event.#flags |= DISPATCH;
        event.#target = exposed;
        event.#currentTarget = exposed;
        event.#phase = AT_TARGET;
        const type = event.#type;
        // "Invoke" for the capturing listeners, then, with a fresh copy of the list, for the others.
        for (let pass = 0; pass < 2 && !(event.#flags & STOP_PROPAGATION); pass++) {
          const current = listenersOf(target)?.[type];
          if (current === undefined || (pass === 0 && !hasCapturing(current))) continue;
          const copy = current.length === 1 ? [current[0]] : slice(current);
          for (let i = 0; i < copy.length; i++) {
            const listener = copy[i];
            if (listener.removed || listener.capture !== (pass === 0)) continue;
            if (listener.once) removeListener(target, type, listener);
            if (listener.passive) event.#flags |= IN_PASSIVE_LISTENER;
            try {
              const result = call(listener, event, exposed);
              if (watch !== undefined && result !== undefined) watch.returned(result);
            } catch (error) {
              platform.reportException(error);
              if (watch !== undefined) watch.threw();
            }
            event.#flags &= ~IN_PASSIVE_LISTENER;
            if (event.#flags & STOP_IMMEDIATE) break;
          }
        }
        event.#phase = 0;
        event.#currentTarget = null;
        event.#flags &= ~(DISPATCH | STOP_PROPAGATION | STOP_IMMEDIATE);
        return (event.#flags & CANCELED) === 0;
      };

      setTrusted = (event, trusted) => {
        event.#flags = trusted ? event.#flags | TRUSTED : event.#flags & ~TRUSTED;
      };
      isDispatchable = (event) => (event.#flags & (DISPATCH | INITIALIZED)) === INITIALIZED;
    }
  }
  defineInterface(Event, { constants: { __proto__: null, NONE: 0, CAPTURING_PHASE: 1, AT_TARGET, BUBBLING_PHASE: 3 } });

  /** "Inner invoke", steps 8 to 11: call the listener's callback; throws what it throws. */
  function call(listener, event, currentTarget) {
    const callback = listener.callback;
    if (callback === null) return listener.handler(event, currentTarget);
    if (typeof callback === "function") return apply(callback, currentTarget, [event]);
    const handleEvent = callback.handleEvent;
    if (typeof handleEvent !== "function") throw new TypeError("The event listener's handleEvent is not a function.");
    return apply(handleEvent, callback, [event]);
  }

  // 2.7 Interface EventTarget
  const { preventDefault } = Event.prototype;
  let listenersOf, handlersOf, setObserver, addListener, removeListener;

  class EventTarget {
    /** Lists of listeners { callback, capture, once, passive, removed, … } by event type. */
    #listeners = null;
    /** The event handlers (onabort …) that were ever set, { value, listener } by event type. */
    #handlers = null;
    /** Called with this target after its listeners have changed. */
    #observer = null;

    addEventListener(type, callback) {
      const context = "Failed to execute 'addEventListener' on 'EventTarget'";
      const target = receiver(this);
      target.#listeners;
      requireArguments(arguments.length, 2, context);
      type = DOMString(type, context);
      callback = toCallback(callback, context);
      // "Flatten more options"
      const options = arguments[2];
      let capture, once, passive, signal;
      if (isObject(options)) {
        capture = !!options.capture;
        once = !!options.once;
        passive = !!options.passive;
        signal = options.signal;
        if (signal !== undefined && !platform.load("abort").isAbortSignal(signal)) {
          fail(context, "'signal' is not of type 'AbortSignal'.");
        }
      } else {
        capture = !!options;
        once = passive = false;
      }
      if (callback === null || (signal !== undefined && platform.load("abort").isAborted(signal))) return;
      if (findListener(target, type, callback, capture) !== undefined) return;
      const listener = { __proto__: null, callback, capture, once, passive, removed: false };
      addListener(target, type, listener);
      if (signal !== undefined) {
        const { addAlgorithm, removeAlgorithm } = platform.load("abort");
        const remove = () => removeListener(target, type, listener);
        addAlgorithm(signal, remove);
        listener.release = () => removeAlgorithm(signal, remove);
      }
    }

    removeEventListener(type, callback) {
      const context = "Failed to execute 'removeEventListener' on 'EventTarget'";
      const target = receiver(this);
      target.#listeners;
      requireArguments(arguments.length, 2, context);
      type = DOMString(type, context);
      callback = toCallback(callback, context);
      const options = arguments[2];
      const capture = isObject(options) ? !!options.capture : !!options;
      const listener = findListener(target, type, callback, capture);
      if (listener !== undefined) removeListener(target, type, listener);
    }

    dispatchEvent(event) {
      const context = "Failed to execute 'dispatchEvent' on 'EventTarget'";
      const target = receiver(this);
      target.#listeners;
      requireArguments(arguments.length, 1, context);
      if (!isEvent(event)) fail(context, "Argument 1 is not of type 'Event'.");
      if (!isDispatchable(event)) {
        throw platform.makeError("InvalidStateError", `${context}: The event is being dispatched or not initialized.`);
      }
      setTrusted(event, false);
      return dispatch(event, target);
    }

    static {
      listenersOf = (target) => target.#listeners;
      handlersOf = (target) => (target.#handlers ??= { __proto__: null });
      setObserver = (target, observer) => {
        target.#observer = observer;
      };
      addListener = (target, type, listener) => {
        const list = ((target.#listeners ??= { __proto__: null })[type] ??= []);
        list[list.length] = listener;
        target.#observer?.(target);
      };
      removeListener = (target, type, listener) => {
        const lists = target.#listeners;
        const list = lists[type];
        listener.removed = true;
        if (list.length === 1) delete lists[type];
        else splice(list, indexOf(list, listener), 1);
        listener.release?.();
        target.#observer?.(target);
      };
    }
  }
  defineInterface(EventTarget);

  /** The receiver of an operation: without one, or where it is the global object, the target that stands for it. */
  function receiver(target) {
    if (target !== undefined && target !== null && target !== globals) return target;
    return (globalTarget ??= new EventTarget());
  }

  function toCallback(value, context) {
    if (value === null || value === undefined) return null;
    if (!isObject(value)) fail(context, "Argument 2 is not an object.");
    return value;
  }

  function findListener(target, type, callback, capture) {
    const list = listenersOf(target)?.[type];
    if (list === undefined) return undefined;
    for (let i = 0; i < list.length; i++) {
      if (list[i].callback === callback && list[i].capture === capture) return list[i];
    }
    return undefined;
  }

  /** Whether anything listens to events of `type` at `target`; the global object is asked for as undefined. */
  function hasListeners(target, type) {
    if (target === undefined && globalTarget === null) return false;
    return listenersOf(receiver(target))?.[type] !== undefined;
  }

  /**
   * "Fire an event": dispatch `event` as the platform's own; false where a listener canceled it. `watch`, where it is
   * given, learns what became of the listeners: returned(result), threw() once the exception was reported.
   */
  function fire(target, event, watch) {
    setTrusted(event, true);
    return dispatch(event, receiver(target), watch);
  }

  // HTML 8.1.8.1 Event handlers: a handler is a listener that calls whatever the attribute holds.
  function setHandler(target, type, value) {
    const handlers = handlersOf(target);
    const entry = (handlers[type] ??= { __proto__: null, value: null, listener: null });
    const wasActive = entry.value !== null;
    entry.value = isObject(value) ? value : null;
    if (entry.value === null) {
      if (wasActive) removeListener(target, type, entry.listener);
    } else if (!wasActive) {
      const handler = (event, currentTarget) => callHandler(entry.value, event, currentTarget);
      entry.listener = { __proto__: null, callback: null, handler, capture: false, once: false, passive: false };
      addListener(target, type, entry.listener);
    }
  }
  /** "The event handler processing algorithm" */
  function callHandler(callback, event, currentTarget) {
    if (typeof callback !== "function") return;
    const details = currentTarget === globals ? platform.load("event_types").errorDetails(event) : undefined;
    const result = apply(callback, currentTarget, details ?? [event]);
    if (result === (details !== undefined)) apply(preventDefault, event, []);
    return result;
  }
  /**
   * The accessor of the event handler `name`, "onabort" say. `isInstance`: the brand check of its interface;
   * `changed(target)` is called after each set.
   */
  function handlerDescriptor(name, isInstance, changed) {
    const type = substring(name, 2);
    const targetOf = (value) => {
      const target = receiver(value);
      if (isInstance !== undefined && !isInstance(target)) throw new TypeError(`Illegal receiver of '${name}'.`);
      return target;
    };
    const holder = {
      get [name]() {
        return handlersOf(targetOf(this))[type]?.value ?? null;
      },
      set [name](value) {
        const target = targetOf(this);
        setHandler(target, type, value);
        if (changed !== undefined) changed(target);
      },
    };
    return getOwnPropertyDescriptor(holder, name);
  }
  function defineHandler(Class, name, isInstance, changed) {
    defineProperty(Class.prototype, name, handlerDescriptor(name, isInstance, changed));
  }

  return {
    __proto__: null,
    Event,
    EventTarget,
    // The global object's own members of EventTarget; its event handlers are property descriptors.
    addEventListener: EventTarget.prototype.addEventListener,
    removeEventListener: EventTarget.prototype.removeEventListener,
    dispatchEvent: EventTarget.prototype.dispatchEvent,
    get onerror() {
      return handlerDescriptor("onerror");
    },
    get onunhandledrejection() {
      return handlerDescriptor("onunhandledrejection");
    },
    get onrejectionhandled() {
      return handlerDescriptor("onrejectionhandled");
    },
    initEvent,
    fire,
    hasListeners,
    setObserver,
    defineHandler,
  };
}
