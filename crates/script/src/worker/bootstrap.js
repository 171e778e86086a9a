// Runs once before the script and hands it its globals. `native` functions are the worker's own; everything taken from
// the global object is taken now, so that a script which replaces a built-in only confuses itself.
(function (native, variables, context, hostObjects) {
  "use strict";
  const { call, log, now, random } = native;
  const { Error, Object, Promise, Proxy, Reflect, String } = globalThis;
  const { stringify } = JSON;
  const { defineProperty, freeze, values } = Object;

  const constant = (target, name, value) => defineProperty(target, name, { value, enumerable: true });
  const hidden = (target, name, value) => defineProperty(target, name, { value, writable: true, configurable: true });

  // Recorded time instead of the clock.
  const ClockDate = Date;
  const RecordedDate = function Date(...parts) {
    if (new.target === undefined) return new ClockDate(now()).toString();
    return Reflect.construct(ClockDate, parts.length === 0 ? [now()] : parts, new.target);
  };
  hidden(RecordedDate, "now", () => now());
  hidden(RecordedDate, "parse", ClockDate.parse);
  hidden(RecordedDate, "UTC", ClockDate.UTC);
  defineProperty(RecordedDate, "length", { value: 7 });
  defineProperty(RecordedDate, "prototype", { value: ClockDate.prototype, writable: false });
  hidden(ClockDate.prototype, "constructor", RecordedDate);
  hidden(globalThis, "Date", RecordedDate);

  // The job's randomness instead of the system's.
  hidden(Math, "random", () => random());

  // The error is made at the call, so that its stack names the script's line and not the answer's arrival.
  const hostFunction = (name) => (...parameters) => {
    const failure = new Error("");
    hidden(failure, "name", "HostError");
    hidden(failure, "function", name);
    return new Promise((resolve, reject) => {
      call(name, parameters, resolve, (message) => {
        hidden(failure, "message", message);
        reject(failure);
      });
    });
  };
  // Neither a promise nor JSON: `await kubernetes` and `return kubernetes` must not become calls.
  const reserved = ["then", "toJSON", "constructor", "valueOf", "toString", "__proto__"];
  const isReserved = (name) => {
    for (let index = 0; index < reserved.length; index += 1) if (reserved[index] === name) return true;
    return false;
  };
  const hostObject = (object) => new Proxy(freeze(Object.create(null)), {
    get(_target, method) {
      if (typeof method !== "string" || isReserved(method)) return undefined;
      return hostFunction(`${object}.${method}`);
    },
  });
  for (let index = 0; index < hostObjects.length; index += 1) {
    constant(globalThis, hostObjects[index], hostObject(hostObjects[index]));
  }

  const text = (value) => {
    if (typeof value === "string") return value;
    try {
      const json = stringify(value);
      if (typeof json === "string") return json;
    } catch (_error) {
      // A cycle or a BigInt: its plain text has to do.
    }
    return String(value);
  };
  const logger = (level) => (...parts) => {
    let line = "";
    for (let index = 0; index < parts.length; index += 1) line += (index === 0 ? "" : " ") + text(parts[index]);
    log(level, line);
  };
  constant(globalThis, "log", logger("info"));
  constant(globalThis, "console", freeze({
    debug: logger("debug"), log: logger("info"), info: logger("info"), warn: logger("warning"), error: logger("error"),
  }));

  const frozen = (value) => {
    if (typeof value === "object" && value !== null) {
      values(value).forEach(frozen);
      freeze(value);
    }
    return value;
  };
  constant(globalThis, "variables", frozen(variables));
  constant(globalThis, "context", context);
})
