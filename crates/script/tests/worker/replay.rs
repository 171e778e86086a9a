//! Time and randomness are recorded, so a replay sees the same.

use std::sync::Mutex;

use belay_script::{HostReply, Job, ScriptEnd};
use serde_json::json;

use crate::support::*;

tests![
    the_clock_is_the_recorded_one,
    randomness_comes_from_the_seed,
    a_suspended_script_goes_on_by_replay,
    the_same_answers_give_the_same_calls,
];

fn the_clock_is_the_recorded_one() {
    let script = "const a = [Date.now(), new Date().getTime(), new Date().toISOString(), Date().slice(0, 15)];
        await http.a(); a.push(Date.now());
        const d = new Date(0); a.push(new d.constructor().getTime(), new Date(5).getTime(), Date.UTC(1970, 0, 2));
        class Mine extends Date {}; a.push(new Mine().getTime(), new Mine() instanceof Date);
        return a;";
    let second = START + 1000;
    assert_eq!(
        returned(script),
        json!([
            START,
            START,
            "2025-10-09T08:53:20.000Z",
            "Thu Oct 09 2025",
            second,
            second,
            5,
            86_400_000,
            second,
            true
        ]),
        "no way leads to the real clock"
    );
}

fn randomness_comes_from_the_seed() {
    let script = "return Array.from({length: 1000}, () => Math.random())";
    let first = returned(script);
    assert_eq!(first, returned(script), "the same seed gives the same numbers");
    let other = value_of(run_with(&Job { seed: 43, ..job(script) }, &echo()).end);
    assert_ne!(first, other, "another seed gives others");
    let numbers: Vec<f64> = first.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect();
    assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
    let mean = numbers.iter().sum::<f64>() / 1000.0;
    assert!((0.45..0.55).contains(&mean), "they spread over the interval: {mean}");
}

const REPLAYED: &str = "
    context.started = Date.now();
    const pods = await kubernetes.listPods({limit: Math.floor(Math.random() * 1000)});
    log(`have ${pods.length}`);
    const wait = Math.random();
    if (pods.length > 1) await kubernetes.scaleDeployment({replicas: pods.length + 1, at: Date.now(), wait});
    const [cpu, memory] = await Promise.all([metrics.getCPU('a'), metrics.getMemory('a')]);
    return {cpu, memory, at: Date.now(), last: Math.random()};";

fn answer(call: &belay_script::HostCall) -> HostReply {
    value(call, if call.index == 0 { json!(["a", "b"]) } else { json!(call.index * 10) })
}

fn a_suspended_script_goes_on_by_replay() {
    let whole = Scripted::new(answer);
    let expected = run_with(&job(REPLAYED), &whole);

    let recorded = Mutex::new(Vec::new());
    let mut runs = 0;
    let last = loop {
        runs += 1;
        let known = recorded.lock().unwrap().clone();
        let host = Scripted::new(|call| match known.get(call.index as usize) {
            Some(reply) => Clone::clone(reply),
            None => HostReply::Suspend,
        });
        let outcome = run_with(&job(REPLAYED), &host);
        let ScriptEnd::Suspended { index } = outcome.end else { break outcome };
        assert_eq!(index as usize, known.len(), "it stops at the first call without a record");
        // Somebody approved and the act was performed, by whoever: its answer is recorded now.
        let (function, arguments) = host.calls.lock().unwrap().pop().unwrap();
        recorded.lock().unwrap().push(answer(&belay_script::HostCall { index, function, arguments }));
    };
    assert_eq!(runs, 5, "four calls, each suspended once");
    assert_eq!(last, expected, "the end is that of a run that was never suspended");
}

fn the_same_answers_give_the_same_calls() {
    let run = || {
        let host = Scripted::new(answer);
        run_with(&job(REPLAYED), &host);
        host.calls.into_inner().unwrap()
    };
    let first = run();
    assert_eq!(first.len(), 4);
    assert_eq!(first, run());
}
