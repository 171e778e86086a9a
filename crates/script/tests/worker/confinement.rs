//! What a script cannot reach.

use serde_json::{Value, json};

use crate::support::*;

tests![
    nothing_of_the_surroundings_is_reachable_by_name,
    the_function_constructor_reaches_nothing,
    no_module_can_be_imported,
    host_objects_are_no_promises_and_call_nothing_by_themselves,
    a_script_that_replaces_builtins_only_confuses_itself,
    blocking_waits_are_refused,
    the_environment_does_not_reach_the_worker,
];

fn nothing_of_the_surroundings_is_reachable_by_name() {
    for name in [
        "require",
        "process",
        "std",
        "os",
        "fetch",
        "XMLHttpRequest",
        "WebSocket",
        "Deno",
        "Bun",
        "module",
        "exports",
        "setTimeout",
        "setInterval",
        "performance",
        "WeakRef",
        "FinalizationRegistry",
        "Worker",
        "print",
        "load",
        "scriptArgs",
        "bjson",
        "native",
        "gc",
        "WebAssembly",
        "navigator",
        "importScripts",
    ] {
        assert_eq!(returned(&format!("return typeof {name}")), json!("undefined"), "{name}");
    }
    let globals = returned("return Object.getOwnPropertyNames(globalThis).filter(n => /^[a-z]/.test(n)).sort()");
    assert_eq!(
        globals,
        json!([
            "cache",
            "console",
            "context",
            "database",
            "decodeURI",
            "decodeURIComponent",
            "encodeURI",
            "encodeURIComponent",
            "escape",
            "eval",
            "globalThis",
            "http",
            "isFinite",
            "isNaN",
            "kubernetes",
            "log",
            "metrics",
            "parseFloat",
            "parseInt",
            "queueMicrotask",
            "undefined",
            "unescape",
            "variables"
        ]),
        "a new global is looked at before it is let in"
    );
}

fn the_function_constructor_reaches_nothing() {
    let (message, _) = failure(run("return this.constructor.constructor('return process')()"));
    assert!(message.starts_with("TypeError"), "a body has no `this`: {message}");
    for script in [
        "return globalThis.constructor.constructor('return process')()",
        "return kubernetes.listPods.constructor('return process')()",
        "return log.constructor.constructor('return process')()",
        "try { null.x } catch (e) { return e.constructor.constructor('return process')() }",
        "return (async () => {}).constructor('return process')()",
        "return (0, eval)('process')",
    ] {
        let (message, _) = failure(run(script));
        assert_eq!(message, "ReferenceError: process is not defined", "{script}");
    }
    assert_eq!(returned("return typeof Function('return this')().process"), json!("undefined"));
}

fn no_module_can_be_imported() {
    for script in
        ["await import('fs')", "await import('/etc/passwd')", "await import('qjs:os')", "await eval('import(\"std\")')"]
    {
        let (message, _) = failure(run(script));
        assert!(message.contains("could not load module") || message.contains("Error"), "{script}: {message}");
    }
    assert!(failure(run("import x from 'fs'")).0.starts_with("SyntaxError"));
    assert_eq!(failure(run("return await import('fs').then(() => 'loaded', () => { throw 'refused' })")).0, "refused");
}

fn host_objects_are_no_promises_and_call_nothing_by_themselves() {
    let host = echo();
    let script = "await kubernetes; `${typeof kubernetes}`; const {listPods} = kubernetes; kubernetes[Symbol.iterator];
        return [typeof listPods, 'x' in kubernetes, Object.keys(kubernetes)]";
    assert_eq!(value_of(run_with(&job(script), &host).end), json!(["function", false, []]));
    assert!(host.functions().is_empty());
}

fn a_script_that_replaces_builtins_only_confuses_itself() {
    let host = echo();
    let script = "
        Promise.prototype.then = function () { throw 1 };
        Object.prototype.toJSON = undefined;
        Array.prototype.push = () => { throw 2 };
        Object.defineProperty = () => { throw 3 };
        JSON.stringify = () => '{}';
        globalThis.Promise = class {};
        Object.prototype.kubernetes = 7;
        Array.prototype[Symbol.iterator] = () => { throw 4 };
        log('still here');
        return await kubernetes.listPods({a: 1});";
    let outcome = run_with(&job(script), &host);
    assert_eq!(value_of(outcome.end), json!({"function": "kubernetes.listPods", "arguments": [{"a": 1}]}));
    assert_eq!(outcome.logs.len(), 1);
}

fn blocking_waits_are_refused() {
    let (message, _) = failure(run("return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60000)"));
    assert!(message.starts_with("TypeError"), "{message}");
}

fn the_environment_does_not_reach_the_worker() {
    let offset: Value = returned("return [new Date(0).getTimezoneOffset(), new Date(1720000000000).getHours()]");
    assert_eq!(offset, json!([0, 9]), "local time is UTC wherever the worker runs");
}
