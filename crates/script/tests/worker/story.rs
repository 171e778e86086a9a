//! The scripts of runbooks as people write them: pod checks, drains, cache, scaling, error analysis, roll back.

use belay_script::{HostCall, HostReply};
use serde_json::{Value, json};

use crate::support::*;

tests![
    a_restart_check_passes_or_throws,
    a_pod_count_marks_a_gradual_drain,
    remaining_pods_leave_out_daemons,
    a_cold_cache_is_flushed_and_a_warm_one_left,
    a_busy_service_is_scaled,
    errors_are_grouped_by_type,
    a_recent_deployment_is_rolled_back,
    what_a_call_publishes_is_known_to_the_rest_of_the_script,
    a_frozen_context_stays_as_it_is,
];

fn a_restart_check_passes_or_throws() {
    let script = "const restarts = context.pod.status.containerStatuses[0].restartCount;
        if (restarts > 5) {
          throw new Error('Pod restarts too often');
        }
        return { proceed: true };";
    let pod = |count: u32| json!({"pod": {"status": {"containerStatuses": [{"restartCount": count}]}}});
    assert_eq!(value_of(run_with(&job_in(script, pod(2)), &echo()).end), json!({"proceed": true}));
    let (message, line) = failure(run_with(&job_in(script, pod(9)), &echo()).end);
    assert_eq!((message.as_str(), line), ("Error: Pod restarts too often", Some(3)));
    let (message, line) = failure(run_with(&job_in(script, json!({"pod": {}})), &echo()).end);
    assert!(message.starts_with("TypeError: cannot read property 'containerStatuses'"), "{message}");
    assert_eq!(line, Some(1));
}

fn pods(count: usize) -> Value {
    (0..count).map(|index| json!({"spec": {"daemonset": index % 10 == 0}})).collect()
}

fn on_node(count: usize) -> Scripted<impl Fn(&HostCall) -> HostReply + Sync> {
    Scripted::new(move |call| value(call, pods(count)))
}

fn a_pod_count_marks_a_gradual_drain() {
    let script = "const pods = await kubernetes.listPods({
          fieldSelector: `spec.nodeName=${context.node}`
        });
        if (pods.length > 50) context.requiresGradualDrain = true;
        return { podCount: pods.length };";
    let host = on_node(60);
    let end = run_with(&job_in(script, json!({"node": "node-7"})), &host).end;
    assert_eq!(value_of(end.clone()), json!({"podCount": 60}));
    assert_eq!(published(end), [("requiresGradualDrain".into(), json!(true))].into());
    let asked = host.calls.into_inner().unwrap();
    assert_eq!(asked, [("kubernetes.listPods".into(), json!([{"fieldSelector": "spec.nodeName=node-7"}]))]);
    assert!(published(run_with(&job_in(script, json!({"node": "n"})), &on_node(3)).end).is_empty());
}

fn remaining_pods_leave_out_daemons() {
    let script = "const pods = await kubernetes.listPods({ fieldSelector: `spec.nodeName=${context.node}` });
        const others = pods.filter(p => !p.spec.daemonset);
        return { remaining: others.length };";
    assert_eq!(value_of(run_with(&job_in(script, json!({"node": "n"})), &on_node(20)).end), json!({"remaining": 18}));
}

fn a_cold_cache_is_flushed_and_a_warm_one_left() {
    let script = "if (context.cacheHitRate < 0.5) {
          await cache.flush({ pattern: 'session:*' });
          return { cleared: true };
        }
        return { cleared: false };";
    for (rate, calls) in [(0.3, 1), (0.9, 0)] {
        let host = echo();
        let end = run_with(&job_in(script, json!({"cacheHitRate": rate})), &host).end;
        assert_eq!(value_of(end), json!({"cleared": calls == 1}));
        assert_eq!(host.functions().len(), calls);
    }
}

fn a_busy_service_is_scaled() {
    let script = "const cpu = await metrics.getCPU('checkout');
        if (cpu > 80) {
          await kubernetes.scaleDeployment({ deployment: 'checkout', replicas: context.currentReplicas + 2 });
          return { scaled: true };
        }
        return { scaled: false };";
    let host = Scripted::new(|call| publishing(call, json!(93.5), json!({"currentReplicas": 3})));
    let end = run_with(&job(script), &host).end;
    assert_eq!(value_of(end), json!({"scaled": true}));
    assert_eq!(
        host.calls.into_inner().unwrap(),
        [
            ("metrics.getCPU".into(), json!(["checkout"])),
            ("kubernetes.scaleDeployment".into(), json!([{"deployment": "checkout", "replicas": 5}])),
        ]
    );
}

fn errors_are_grouped_by_type() {
    let script = "const counts = {};
        context.logs.forEach(entry => {
          const type = entry.error?.type || 'unknown';
          counts[type] = (counts[type] || 0) + 1;
        });
        const most = Object.entries(counts).sort((a, b) => b[1] - a[1])[0];
        context.primaryError = most[0];
        context.errorCount = most[1];
        return { primaryError: most[0], count: most[1] };";
    let logs = json!({"logs": [{"error": {"type": "Timeout"}}, {}, {"error": {"type": "Timeout"}}]});
    let end = run_with(&job_in(script, logs), &echo()).end;
    assert_eq!(value_of(end.clone()), json!({"primaryError": "Timeout", "count": 2}));
    assert_eq!(published(end), [("errorCount".into(), json!(2)), ("primaryError".into(), json!("Timeout"))].into());
    let (_, line) = failure(run_with(&job_in(script, json!({"logs": []})), &echo()).end);
    assert_eq!(line, Some(7), "without logs there is no most common one");
}

fn a_recent_deployment_is_rolled_back() {
    let script = "const deployments = await kubernetes.getDeploymentHistory({ deployment: 'checkout', limit: 1 });
        const last = deployments[0];
        const age = Date.now() - last.timestamp;
        if (age < 600000) { // 10 minutes
          await kubernetes.rollbackDeployment({ deployment: 'checkout' });
          return { rolledBack: true, revision: last.revision };
        }
        return { rolledBack: false };";
    for (age, calls) in [(60_000, 2), (6_000_000, 1)] {
        let host = Scripted::new(move |call| value(call, json!([{"timestamp": START - age, "revision": 4}])));
        let end = run_with(&job(script), &host).end;
        assert_eq!(value_of(end)["rolledBack"], json!(calls == 2), "age is counted from the recorded time");
        assert_eq!(host.functions().len(), calls);
    }
}

fn what_a_call_publishes_is_known_to_the_rest_of_the_script() {
    let script = "const before = context.count;
        await metrics.getCPU('a');
        const after = context.count, other = context.__proto__.a;
        context.mine = after + 1;
        await metrics.getCPU('b');
        return [before, after, other, context.count];";
    let host = Scripted::new(|call| {
        publishing(
            call,
            json!(1),
            json!({"count": 2 + call.index, "__proto__": {"a": 5}, "big": 18_446_744_073_709_551_615_u64}),
        )
    });
    let end = run_with(&job_in(script, json!({"count": 1})), &host).end;
    assert_eq!(value_of(end.clone()), json!([1, 2, 5, 3]));
    assert_eq!(published(end), [("mine".into(), json!(3))].into(), "what others published is not the script's own");
    let script = "await metrics.getCPU('a'); context.count += 1; delete context.big; return null;";
    let published = published(run_with(&job(script), &host).end);
    assert_eq!(published, [("count".into(), json!(3)), ("big".into(), Value::Null)].into());
}

fn a_frozen_context_stays_as_it_is() {
    let script =
        "Object.freeze(context); await metrics.getCPU('a'); return [context.count, await metrics.getCPU('b')];";
    let host = Scripted::new(|call| publishing(call, json!(7), json!({"count": 2})));
    let end = run_with(&job_in(script, json!({"count": 1})), &host).end;
    assert_eq!(value_of(end), json!([1, 7]));
}
