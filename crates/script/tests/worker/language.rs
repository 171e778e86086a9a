//! What a script sees and how its values come back.

use belay_script::{HostReply, Job, LogLevel};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::*;

tests![
    a_body_awaits_and_returns_at_its_top_level,
    a_body_that_returns_nothing_gives_null,
    context_writes_are_published_on_success,
    context_writes_of_a_failed_script_are_not_published,
    a_context_that_was_only_read_publishes_nothing,
    a_nested_write_publishes_the_whole_member,
    a_deleted_member_is_published_as_null,
    variables_are_frozen_and_context_cannot_be_replaced,
    a_thrown_error_names_the_users_line,
    a_syntax_error_names_the_users_line,
    text_that_closes_the_function_early_is_a_syntax_error,
    a_failed_host_call_names_the_line_of_the_call,
    a_host_error_can_be_caught,
    a_promise_rejected_without_a_handler_fails_the_script,
    a_call_without_await_is_made_before_the_end,
    a_script_that_throws_starts_no_further_call,
    calls_made_together_are_performed_one_by_one_in_order,
    a_promise_that_nothing_settles_is_an_error,
    values_that_json_cannot_say_are_named_with_their_path,
    arguments_that_json_cannot_say_fail_the_call,
    logs_arrive_with_their_level,
    any_json_value_travels_through_context_and_return,
];

fn a_body_awaits_and_returns_at_its_top_level() {
    let script = "const answer = await kubernetes.listPods({a: 1}, 'b');\nreturn answer; // no more";
    assert_eq!(
        returned(script),
        json!({"function": "kubernetes.listPods", "arguments": [{"a": 1}, "b"]}),
        "any method name is forwarded with its positional arguments"
    );
}

fn a_body_that_returns_nothing_gives_null() {
    assert_eq!(returned(""), Value::Null);
    assert_eq!(returned("return undefined"), Value::Null);
}

fn context_writes_are_published_on_success() {
    let end = run_with(&job_in("context.a = 2; context.c = {d: [1]}; return 1", json!({"a": 1, "b": 1})), &echo()).end;
    let expected = [("a".into(), json!(2)), ("c".into(), json!({"d": [1]}))];
    assert_eq!(published(end), expected.into(), "only what changed is published");
}

fn context_writes_of_a_failed_script_are_not_published() {
    let end = run_with(&job_in("context.a = 2; throw new Error('no')", json!({"a": 1})), &echo()).end;
    assert_eq!(failure(end).0, "Error: no", "a failed end has no place for published values");
}

fn a_context_that_was_only_read_publishes_nothing() {
    let context = json!({"big": 18_446_744_073_709_551_615_u64, "list": [1, 2.5, "x"], "__proto__": {"a": 1}});
    let end = run_with(&job_in("return JSON.stringify(context).length > 0", context), &echo()).end;
    assert!(published(end).is_empty(), "a number that loses digits on its way in was not written by the script");
}

fn a_nested_write_publishes_the_whole_member() {
    let end = run_with(&job_in("context.a.b.push(3)", json!({"a": {"b": [1], "c": 2}})), &echo()).end;
    assert_eq!(published(end), [("a".into(), json!({"b": [1, 3], "c": 2}))].into());
}

fn a_deleted_member_is_published_as_null() {
    let end = run_with(&job_in("delete context.a", json!({"a": 1})), &echo()).end;
    assert_eq!(published(end), [("a".into(), Value::Null)].into());
}

fn variables_are_frozen_and_context_cannot_be_replaced() {
    let frozen = |script| {
        let job = Job { variables: object(json!({"a": {"b": 1}})), ..job(script) };
        failure(run_with(&job, &echo()).end).0
    };
    for script in ["variables.a = 2", "variables.a.b = 2", "variables = {}", "context = {}", "kubernetes.x = 1"] {
        assert!(frozen(script).starts_with("TypeError"), "{script}: {}", frozen(script));
    }
}

fn a_thrown_error_names_the_users_line() {
    let script = "function check() {\n  throw new TypeError('too many');\n}\n\nawait null;\ncheck();";
    let outcome = run_with(&job(script), &echo());
    let belay_script::ScriptEnd::Failed { message, line, stack } = outcome.end else { panic!("it throws") };
    assert_eq!((message.as_str(), line), ("TypeError: too many", Some(2)));
    assert!(stack.starts_with("at check (script:2:"), "{stack}");
    assert!(stack.lines().any(|frame| frame.starts_with("at script:6:")), "the caller's line is there too: {stack}");
    assert_eq!(failure(run("throw 'plain'")).0, "plain");
    assert_eq!(failure(run("throw {toString() { throw 1 }}")).0, "a value without a text was thrown");
}

fn a_syntax_error_names_the_users_line() {
    let (message, line) = failure(run("const a = 1;\nconst b = ;\n"));
    assert!(message.starts_with("SyntaxError"), "{message}");
    assert_eq!(line, Some(2));
}

fn text_that_closes_the_function_early_is_a_syntax_error() {
    for script in
        ["return 1 });\n(async function () { return 2", "return 1 }];\n[async function () { return 2", "}", "/*", "`"]
    {
        let (message, _) = failure(run(script));
        assert!(message.starts_with("SyntaxError"), "{script}: {message}");
    }
}

fn a_failed_host_call_names_the_line_of_the_call() {
    let host = Scripted::new(|_| HostReply::Error { message: "forbidden".into(), at: START });
    let script = "const a = 1;\nconst pods = await kubernetes.listPods();\nreturn pods;";
    let (message, line) = failure(run_with(&job(script), &host).end);
    assert_eq!((message.as_str(), line), ("forbidden", Some(2)));
}

fn a_host_error_can_be_caught() {
    let host = Scripted::new(|_| HostReply::Error { message: "forbidden".into(), at: START + 5 });
    let script = "try { await cache.flush() } catch (e) {
        return [e instanceof Error, e.name, e.function, e.message, Date.now()]
    }";
    let expected = json!([true, "HostError", "cache.flush", "forbidden", START + 5]);
    assert_eq!(value_of(run_with(&job(script), &host).end), expected);
}

fn a_promise_rejected_without_a_handler_fails_the_script() {
    assert_eq!(failure(run("Promise.reject(new Error('lost')); return 1")).0, "Error: lost");
    assert_eq!(
        returned("const p = Promise.reject(new Error('late')); await null; await p.catch(() => {}); return 1"),
        json!(1),
        "a handler that comes later counts"
    );
}

fn a_call_without_await_is_made_before_the_end() {
    let host = echo();
    let end = run_with(&job("kubernetes.a(); (async () => { await null; cache.b() })(); return 1"), &host).end;
    assert_eq!(value_of(end), json!(1));
    assert_eq!(host.functions(), ["kubernetes.a", "cache.b"], "a forgotten `await` loses no act");
}

fn a_script_that_throws_starts_no_further_call() {
    let host = echo();
    failure(run_with(&job("kubernetes.a(); throw new Error('no')"), &host).end);
    assert!(host.functions().is_empty(), "the call was still waiting for its turn");
}

fn calls_made_together_are_performed_one_by_one_in_order() {
    let host = Scripted::new(|call| value(call, json!(call.index)));
    let script = "return await Promise.all([http.a(), metrics.b(), database.c()])";
    assert_eq!(value_of(run_with(&job(script), &host).end), json!([0, 1, 2]));
    assert_eq!(host.functions(), ["http.a", "metrics.b", "database.c"]);
}

fn a_promise_that_nothing_settles_is_an_error() {
    let (message, _) = failure(run("await new Promise(() => {})"));
    assert_eq!(message, "the script waits for a promise that nothing settles");
    let (message, _) = failure(run("return { a: kubernetes.listPods() }"));
    assert_eq!(message, "the returned value.a is a promise; is an `await` missing?");
}

fn values_that_json_cannot_say_are_named_with_their_path() {
    for (script, expected) in [
        ("return () => 1", "the returned value is a function"),
        ("return class A {}", "the returned value is a function"),
        ("return {a: [1, {b: NaN}]}", "the returned value.a[1].b is NaN"),
        ("return -Infinity", "the returned value is -inf"),
        ("return 10n", "the returned value is a BigInt; convert it with `Number` or `String`"),
        ("const a = {}; a.b = [a]; return a", "the returned value.b[0] is an object that contains itself"),
        ("return Symbol('x')", "the returned value is a symbol"),
        ("return new Map([[1, 2]])", "the returned value is a Map; turn it into an array or an object"),
        ("return [/a/]", "the returned value[0] is a RegExp; turn it into an array or an object"),
        ("return new Error('x')", "the returned value is an error"),
        ("return '\\ud800'", "the returned value is text with half a surrogate pair"),
        ("context.f = () => 1", "context.f is a function"),
        (
            "let a = []; for (let i = 0; i < 200; i++) a = [a]; return a.length && {a}",
            &format!("the returned value.a{} is nested deeper than 96 levels", "[0]".repeat(95)),
        ),
    ] {
        let (message, _) = failure(run(script));
        let expected: String = expected.chars().take(message.chars().count().min(200)).collect();
        assert!(message.starts_with(&expected), "{script}: {message}");
    }
    assert_eq!(
        returned(
            "class P { constructor() { this.x = 1 } } return [new P(), new Date(0), undefined, {u: undefined}, -0]"
        ),
        json!([{"x": 1}, "1970-01-01T00:00:00.000Z", null, {}, 0]),
        "what JSON.stringify says sensibly is taken over"
    );
}

fn arguments_that_json_cannot_say_fail_the_call() {
    let host = echo();
    let (message, line) = failure(run_with(&job("\nawait kubernetes.listPods({filter: () => true})"), &host).end);
    assert!(message.contains("kubernetes.listPods: arguments[0].filter is a function"), "{message}");
    assert_eq!(line, Some(2));
    assert!(host.functions().is_empty(), "nothing was asked of the host");
}

fn logs_arrive_with_their_level() {
    let outcome = run_with(
        &job("log('a', 1, {b: [2]}); console.warn('w'); console.error(10n); const c = {}; c.c = c; console.debug(c)"),
        &echo(),
    );
    let logs: Vec<_> = outcome.logs.iter().map(|line| (line.level, line.text.as_str())).collect();
    assert_eq!(
        logs,
        [
            (LogLevel::Info, "a 1 {\"b\":[2]}"),
            (LogLevel::Warning, "w"),
            (LogLevel::Error, "10"),
            (LogLevel::Debug, "[object Object]"),
        ]
    );
    assert_eq!(outcome.host_calls, 0, "a log is no act");
}

fn json_value() -> impl Strategy<Value = Value> {
    // Doubles hold 53 bits; what is beyond is not JavaScript's.
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1_i64 << 53).prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no such number", |n| n.is_finite() && n.fract() != 0.0)
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop_oneof![any::<String>(), Just("__proto__".into()), Just("constructor".into()), Just("7".into())];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_json_value_travels_through_context_and_return() {
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let check = runner.run(&json_value(), |value| {
        let script = "context.written = (await cache.get(context.given)).arguments[0]; return context.given";
        let end = run_with(&job_in(script, json!({"given": value})), &echo()).end;
        let belay_script::ScriptEnd::Returned { value: back, published } = end else {
            return Err(TestCaseError::fail(format!("{end:?}")));
        };
        prop_assert_eq!(&back, &value, "context and return");
        prop_assert_eq!(published.get("written"), Some(&value), "arguments, answer and published context");
        Ok(())
    });
    check.unwrap();
}
