//! Scripts that want too much.

use std::time::{Duration, Instant};

use belay_script::{HostCall, HostReply, Job, Limit, Limits, ScriptEnd, Worker};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::*;

tests![
    an_endless_loop_ends_at_the_run_time,
    an_endless_loop_that_catches_everything_ends_at_the_run_time,
    a_promise_flood_ends_at_the_run_time,
    an_endless_generator_of_host_promises_ends_at_the_run_time,
    a_catastrophic_regular_expression_ends_at_the_run_time,
    native_loops_end_at_the_run_time,
    a_memory_bomb_ends_at_the_memory_limit,
    huge_strings_end_at_the_memory_limit,
    a_growing_promise_flood_ends_at_a_limit,
    deep_recursion_ends_at_the_stack_limit,
    deeply_nested_answers_do_not_break_the_worker,
    the_call_limit_holds_and_cannot_be_caught,
    waiting_for_the_host_is_not_run_time,
    an_output_that_is_too_large_ends_at_the_output_limit,
    arguments_that_are_too_large_end_at_the_output_limit,
    a_sparse_array_of_four_billion_ends_at_the_output_limit,
    logs_beyond_the_limit_are_dropped_with_a_mark,
    a_worker_that_never_speaks_is_killed,
];

fn an_endless_loop_ends_at_the_run_time() {
    let began = Instant::now();
    assert_eq!(limit(run_with(&hasty("while (true) {}"), &echo()).end), Limit::RunTime);
    assert!(began.elapsed() < Duration::from_secs(3), "the worker stops itself before the client kills it");
}

fn an_endless_loop_that_catches_everything_ends_at_the_run_time() {
    let script = "const f = async () => { try { while (true) {} } finally { await f() } };
        for (;;) { try { await f() } catch (e) {} }";
    assert_eq!(limit(run_with(&hasty(script), &echo()).end), Limit::RunTime);
}

fn a_promise_flood_ends_at_the_run_time() {
    let began = Instant::now();
    for script in [
        "const f = () => Promise.resolve().then(f); f()",
        "const f = () => Promise.resolve().then(f); await f()",
        "const f = () => { Promise.resolve().then(f) }; f(); return 1",
        "const f = () => queueMicrotask(f); f()",
    ] {
        let end = run_with(&hasty(script), &echo()).end;
        assert!(matches!(limit(end), Limit::RunTime | Limit::Memory), "{script}");
    }
    assert!(began.elapsed() < Duration::from_secs(8), "each stops itself");
}

fn an_endless_generator_of_host_promises_ends_at_the_run_time() {
    let script = "async function* g() { for (;;) yield 1 } for await (const x of g()) {}";
    assert_eq!(limit(run_with(&hasty(script), &echo()).end), Limit::RunTime);
}

fn a_catastrophic_regular_expression_ends_at_the_run_time() {
    let script = "return /^(a+)+$/.test('a'.repeat(60) + '!')";
    assert_eq!(limit(run_with(&hasty(script), &echo()).end), Limit::RunTime);
}

fn native_loops_end_at_the_run_time() {
    for script in [
        "return new Array(4294967295).indexOf(7)",
        "const a = {length: 2 ** 53 - 1}; return Array.prototype.includes.call(a, 7)",
        "let n = 3n; for (;;) n = n ** 3n",
    ] {
        let began = Instant::now();
        let end = run_with(&hasty(script), &echo()).end;
        let took = began.elapsed();
        assert!(took < Duration::from_secs(6), "{script} took {took:?}");
        assert!(matches!(end, ScriptEnd::LimitExceeded(_) | ScriptEnd::Failed { .. }), "{script}: {end:?}");
    }
}

fn a_memory_bomb_ends_at_the_memory_limit() {
    for script in [
        "const a = []; for (;;) a.push(new Array(100000).fill(1))",
        "const a = []; for (;;) a.push({a: a.length})",
        "return new Uint8Array(1 << 30).length",
        "const a = new Map(); for (let i = 0; ; i++) a.set(i, 'x'.repeat(1000) + i)",
    ] {
        let end = run(script);
        assert!(matches!(end, ScriptEnd::LimitExceeded(Limit::Memory)), "{script}: {end:?}");
    }
}

fn huge_strings_end_at_the_memory_limit() {
    for script in [
        "let s = 'x'; for (;;) s += s",
        "let s = 'é'.repeat(1 << 20); for (;;) s = (s + s).toUpperCase()",
        "return 'x'.repeat(2 ** 30 - 1).length",
    ] {
        let end = run(script);
        let expected = match &end {
            ScriptEnd::LimitExceeded(limit) => *limit == Limit::Memory,
            // The engine refuses a string above its own largest length before memory runs out.
            ScriptEnd::Failed { message, .. } => message.contains("string"),
            _ => false,
        };
        assert!(expected, "{script}: {end:?}");
    }
}

fn a_growing_promise_flood_ends_at_a_limit() {
    let script =
        "const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }; f(); await new Promise(() => {})";
    let end = run_with(&hasty(script), &echo()).end;
    assert!(matches!(end, ScriptEnd::LimitExceeded(_)), "{end:?}");
}

fn deep_recursion_ends_at_the_stack_limit() {
    for script in [
        "const f = () => f() + 1; return f()",
        "const f = async () => { await f() }; await f()",
        "const a = {toString() { return `${this}` }}; return `${a}`",
        "const a = {get toJSON() { return JSON.stringify(this) }}; return a",
        "let a = []; for (let i = 0; i < 2e5; i++) a = [a]; return JSON.stringify(a)",
        "return eval('('.repeat(1e6))",
        "return new RegExp('('.repeat(1e6))",
    ] {
        let end = run(script);
        let ended = match &end {
            ScriptEnd::LimitExceeded(limit) => *limit == Limit::Stack,
            ScriptEnd::Failed { message, .. } => {
                message.contains("stack overflow") || message.contains("too many captures")
            }
            _ => false,
        };
        assert!(ended, "{script}: {end:?}");
    }
}

fn deeply_nested_answers_do_not_break_the_worker() {
    let mut deep = json!(1);
    for _ in 0..500 {
        deep = json!([deep]);
    }
    let host = Scripted::new(move |call| value(call, deep.clone()));
    let script = "let depth = 0; let a = await http.get(); while (Array.isArray(a)) { a = a[0]; depth++ } return depth";
    assert_eq!(value_of(run_with(&job(script), &host).end), json!(500));
}

fn the_call_limit_holds_and_cannot_be_caught() {
    let host = echo();
    let limits = Limits { host_calls: 3, ..Limits::default() };
    let script = "for (;;) { try { await metrics.getCPU('x') } catch (e) {} }";
    let outcome = run_with(&Job { limits, ..job(script) }, &host);
    assert_eq!(limit(outcome.end), Limit::HostCalls);
    assert_eq!((outcome.host_calls, host.functions().len()), (3, 3), "the call beyond the limit is not made");
}

fn waiting_for_the_host_is_not_run_time() {
    struct Slow;
    impl belay_script::Host for Slow {
        async fn call(&self, call: HostCall) -> HostReply {
            tokio::time::sleep(Duration::from_millis(600)).await;
            value(&call, json!(null))
        }
    }
    let end = run_with(&hasty("await http.a(); await http.b(); return 1"), &Slow).end;
    assert_eq!(value_of(end), json!(1), "1200 ms of waiting fit into 300 ms of run time");
}

fn an_output_that_is_too_large_ends_at_the_output_limit() {
    let limits = Limits { output: 1000, ..Limits::default() };
    for script in [
        "return 'x'.repeat(2000)",
        "context.a = 'x'.repeat(2000)",
        "context.a = 'x'.repeat(600); return 'x'.repeat(600)",
        "return Array(600).fill(0)",
    ] {
        let end = run_with(&Job { limits: limits.clone(), ..job(script) }, &echo()).end;
        assert_eq!(limit(end), Limit::Output, "{script}");
    }
    let fits = Job { limits, ..job_in("return context.big.length", json!({"big": "x".repeat(5000)})) };
    assert_eq!(value_of(run_with(&fits, &echo()).end), json!(5000), "what was only read does not count");
}

fn arguments_that_are_too_large_end_at_the_output_limit() {
    let host = echo();
    let end = run_with(&job("try { await http.post({body: 'x'.repeat(2 << 20)}) } catch (e) {}"), &host).end;
    assert_eq!(limit(end), Limit::Output);
    assert!(host.functions().is_empty(), "the call is not made");
}

fn a_sparse_array_of_four_billion_ends_at_the_output_limit() {
    assert_eq!(limit(run("return new Array(4294967295)")), Limit::Output);
    assert_eq!(limit(run("context.a = new Array(4294967295)")), Limit::Output);
}

fn logs_beyond_the_limit_are_dropped_with_a_mark() {
    let limits = Limits { log: 10, ..Limits::default() };
    let outcome = run_with(&Job { limits, ..job("log('12345'); log('1234567'); log('x'); return 1") }, &echo());
    assert_eq!(outcome.logs.len(), 1);
    assert!(outcome.logs_truncated);
    assert_eq!(value_of(outcome.end), json!(1), "a talkative script goes on");
}

fn a_worker_that_never_speaks_is_killed() {
    let deaf = Worker { program: "/bin/sleep".into(), arguments: vec!["600".into()] };
    let job = hasty("return 1");
    let began = Instant::now();
    let outcome = block_on(deaf.run(&job, &echo(), None, &CancellationToken::new()));
    assert_eq!(limit(outcome.end), Limit::RunTime);
    assert!(began.elapsed() < Duration::from_secs(10));
}
