//! Every rule of the linter: where it finds something, and where it does not.

use belay_runbook::finding::FindingLevel;
use belay_runbook::lint::rule::RULES;

use crate::catalog::{findings, places};
use crate::samples::{FULL, story_manifests, with_spec, with_steps};

pub const NOTHING: [&str; 0] = [];

/// A step that reads, for flows.
const READ: &str = "action: http.healthcheck\n  parameters: {url: \"http://a\"}\n";

pub fn read_step(name: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!("  {more}\n") };
    format!("- name: {name}\n  {READ}{more}")
}

fn steps(steps: &[String]) -> String {
    with_steps(&steps.concat())
}

#[test]
fn the_storys_manifests_have_warnings_and_no_errors() {
    for (name, manifest) in story_manifests() {
        let errors: Vec<_> =
            findings(&manifest).into_iter().filter(|finding| finding.severity == FindingLevel::Error).collect();
        assert_eq!(errors, [], "{name} loads unmodified");
        eprintln!("{name}: {:?}", places(&manifest));
    }
}

#[test]
fn a_clean_runbook_has_no_findings() {
    assert_eq!(places(&steps(&[read_step("a", "")])), NOTHING);
}

#[test]
fn two_steps_of_one_name_are_found_at_the_second() {
    assert_eq!(places(&steps(&[read_step("a", ""), read_step("a", "")])), ["14:11 duplicate-step"]);
    assert_eq!(places(&steps(&[read_step("a", ""), read_step("b", "")])), NOTHING);
}

#[test]
fn a_step_may_not_be_named_like_a_word_of_the_format() {
    assert_eq!(places(&steps(&[read_step("end", "")])), ["11:11 reserved-name"]);
}

#[test]
fn names_that_lead_nowhere_are_found_where_they_stand() {
    let text = steps(&[
        read_step("a", "next: bb"),
        read_step("b", "onFailure: nowhere"),
        "- name: d\n  title: Choose\n  branches:\n    one: c\n    two: {next: gone}\n    three: end\n".to_owned(),
        read_step("c", "rollback: missing"),
        read_step("e", "rollback: {step: missing}"),
    ]);
    let found = places(&text);
    let dangling: Vec<&str> =
        found.iter().filter(|place| place.ends_with("dangling-step")).map(String::as_str).collect();
    assert_eq!(
        dangling,
        [
            "14:11 dangling-step",
            "18:16 dangling-step",
            "23:19 dangling-step",
            "28:15 dangling-step",
            "32:22 dangling-step"
        ]
    );
    let hint = findings(&text).into_iter().find(|finding| finding.rule == "dangling-step").unwrap().hint;
    assert_eq!(hint.as_deref(), Some("did you mean `b`?"));
    let near = steps(&[read_step("verify-health", "next: verify-heath")]);
    assert_eq!(findings(&near)[0].hint.as_deref(), Some("did you mean `verify-health`?"));
}

#[test]
fn stop_escalate_rollback_and_end_are_no_steps() {
    let text = steps(&[
        read_step("a", "onFailure: stop"),
        read_step("b", "onFailure: escalate"),
        read_step("c", "onFailure: rollback"),
        read_step("d", "next: end"),
    ]);
    assert_eq!(places(&text), NOTHING);
}

#[test]
fn a_related_runbook_that_does_not_exist_is_found() {
    let text = with_spec(&format!(
        "relatedRunbooks:\n- RB-LLM-002 (LLM Rate Limit Exceeded)\n- other\n- RB-LLM-003 (Gone)\nsteps:\n{}",
        read_step("a", "")
    ));
    assert_eq!(places(&text), ["13:5 dangling-runbook"]);
}

#[test]
fn a_step_that_nothing_leads_to_is_found() {
    assert_eq!(
        places(&steps(&[read_step("a", "next: c"), read_step("b", ""), read_step("c", "")])),
        ["15:11 unreachable-step"]
    );
    assert_eq!(
        places(&steps(&[read_step("a", "onFailure: b\n  next: c"), read_step("b", ""), read_step("c", "")])),
        NOTHING,
        "a failure leads there"
    );
}

#[test]
fn a_step_that_serves_as_an_undo_is_reached_by_the_rollback() {
    let text = steps(&[read_step("a", "rollback: b\n  next: end"), read_step("b", "")]);
    assert_eq!(places(&text), NOTHING);
}

#[test]
fn a_branch_that_runs_on_into_its_sibling_or_an_undo_is_found() {
    let flow = |last: &str, next: &str| {
        steps(&[
            "- name: choose\n  title: Which?\n  branches: {outage: full, slow: partial}\n".to_owned(),
            read_step("full", &format!("rollback: back{last}")),
            read_step("partial", next),
            read_step("verify", next),
            read_step("back", ""),
            read_step("tell", ""),
        ])
    };
    assert_eq!(
        places(&flow("", "")),
        ["14:11 fall-through", "21:11 fall-through"],
        "the branch runs into its sibling, and verifying runs into the undo"
    );
    let fixed = flow("\n  next: verify", "next: tell").replacen("next: tell", "next: verify", 1);
    assert_eq!(places(&fixed), NOTHING);
}

#[test]
fn a_longer_branch_is_followed_to_its_end() {
    let text = steps(&[
        "- name: choose\n  title: Which?\n  branches: {a: a1, b: b1}\n".to_owned(),
        read_step("a1", ""),
        read_step("a2", ""),
        read_step("b1", ""),
    ]);
    assert_eq!(places(&text), ["17:11 fall-through"]);
}

#[test]
fn a_loop_needs_a_way_out() {
    assert_eq!(
        places(&steps(&[read_step("a", ""), read_step("b", ""), read_step("c", "next: b")])),
        ["14:11 loop-without-exit"]
    );
    let decided =
        steps(&[read_step("a", ""), "- name: again\n  title: Again?\n  branches: {yes: a, no: end}\n".to_owned()]);
    assert_eq!(places(&decided), NOTHING);
    assert_eq!(places(&steps(&[read_step("a", "next: a")])), ["11:11 loop-without-exit"]);
}

#[test]
fn a_failure_that_leads_back_needs_a_way_out() {
    let hint = |text: &str| findings(text).into_iter().find(|finding| finding.rule == "failure-loop").unwrap().hint;
    let itself = steps(&[read_step("a", "onFailure: a")]);
    assert_eq!(places(&itself), ["14:16 failure-loop"]);
    assert!(hint(&itself).unwrap().contains("retries"));
    let back = steps(&[read_step("a", "onFailure: b\n  next: end"), read_step("b", "next: a")]);
    assert_eq!(places(&back), ["14:16 failure-loop"], "the second step leads back");
    let behind = steps(&[read_step("a", ""), read_step("b", "onFailure: a")]);
    assert_eq!(places(&behind), ["17:16 failure-loop"], "a check that keeps failing has the first step repeated");
    let person = steps(&[
        read_step("a", "onFailure: b\n  next: end"),
        "- name: b\n  type: manual\n  description: Mend it.\n  next: a\n".to_owned(),
    ]);
    assert_eq!(places(&person), NOTHING, "a person is on the way, and may end it");
    let out = |other: &str| {
        steps(&[
            read_step("a", "onFailure: b\n  next: end"),
            format!(
                "- name: b\n  title: Again?\n  branches: {{yes: {{next: a, when: \"{{{{ eq 1 1 }}}}\"}}, no: {other}}}\n"
            ),
        ])
    };
    assert_eq!(places(&out("end")), NOTHING, "a branch leads out");
    assert_eq!(places(&out("a")), ["14:16 failure-loop"], "no branch leads out");
    let own_and_more = steps(&[
        read_step("a", "onFailure: a"),
        "- name: b\n  title: Again?\n  branches: {yes: {next: a, when: \"{{ eq 1 1 }}\"}, no: end}\n".to_owned(),
    ]);
    assert_eq!(
        places(&own_and_more),
        ["14:16 failure-loop"],
        "the way out of the larger loop ends the smaller one not"
    );
    let forgiven = steps(&[read_step("a", "onFailure: a\n  continueOnError: true")]);
    assert_eq!(places(&forgiven), NOTHING, "the failure goes on");
    let approved = steps(&[read_step("a", "onFailure: a\n  approval: {required: true}")]);
    assert_eq!(places(&approved), NOTHING, "a person approves every visit");
}

#[test]
fn a_change_that_a_loop_repeats_without_a_person_is_found() {
    let round = |change: &str| {
        steps(&[
            format!("- name: a\n  {change}\n  rollback: {{irreversible: nothing}}\n"),
            read_step("look", "type: verification\n  continueOnError: true"),
            "- name: b\n  title: Again?\n  branches: {yes: {next: a, when: \"{{ eq 1 1 }}\"}, no: end}\n".to_owned(),
        ])
    };
    assert_eq!(places(&round("commands: [restart-it now]")), ["11:11 repeated-change"]);
    assert_eq!(places(&round("commands: [restart-it now]\n  approval: {required: true}")), NOTHING);
    let asked = round("commands: [restart-it now]").replace("{next: a, when: \"{{ eq 1 1 }}\"}", "a");
    assert_eq!(places(&asked), NOTHING, "a person decides each time");
    assert_eq!(
        places(&round("commands: [kubectl get pods]").replace("\n  rollback: {irreversible: nothing}", "")),
        NOTHING
    );
}

#[test]
fn two_loops_are_two_findings() {
    let text = steps(&[
        "- name: choose\n  title: Which?\n  branches: {a: a, b: b}\n".to_owned(),
        read_step("a", "next: a"),
        read_step("b", "next: b"),
    ]);
    assert_eq!(places(&text), ["14:11 loop-without-exit", "18:11 loop-without-exit"]);
}

#[test]
fn a_change_needs_an_undo_or_a_reason() {
    let restart = |more: &str| {
        steps(&[
            format!("- name: a\n  action: kubernetes.restart_pod\n  parameters: {{podName: p, namespace: n}}\n{more}"),
            read_step("check", "type: verification"),
        ])
    };
    assert_eq!(places(&restart("")), ["11:11 mutating-without-undo"]);
    assert_eq!(places(&restart("  rollback: {irreversible: the pod is new}\n")), NOTHING);
    assert_eq!(places(&restart("  type: manual\n")), NOTHING, "a person answers for it");
    let captured = steps(&[
        "- name: a\n  action: kubernetes.cordon_node\n  parameters: {nodeName: n}\n".to_owned(),
        read_step("check", "type: verification"),
    ]);
    assert_eq!(places(&captured), NOTHING, "the action captures its own undo");
}

#[test]
fn commands_count_as_changes_unless_they_only_look() {
    let run = |command: &str| {
        places(&steps(&[format!("- name: a\n  commands: [\"{command}\"]\n"), read_step("check", "type: verification")]))
    };
    assert_eq!(run("kubectl delete pod x"), ["11:11 mutating-without-undo"]);
    assert_eq!(run("kubectl get pods -A"), NOTHING);
    assert_eq!(run("kubectl get pods | sh"), ["11:11 mutating-without-undo"]);
}

#[test]
fn destroying_needs_somebody_to_agree() {
    let drop = |spec: &str, step: &str| {
        with_spec(&format!(
            "{spec}steps:\n- name: a\n  action: database.drop\n  parameters: {{name: x}}\n  rollback: {{irreversible: gone}}\n{step}{}",
            read_step("check", "type: verification")
        ))
    };
    assert_eq!(places(&drop("", "")), ["11:11 destructive-without-approval"]);
    assert_eq!(places(&drop("", "  approval: true\n")), NOTHING);
    assert_eq!(places(&drop("approval: true\n", "")), NOTHING);
    assert_eq!(places(&drop("approval: true\n", "  approval: false\n")), ["12:11 destructive-without-approval"]);
}

#[test]
fn a_change_needs_a_verification_after_it() {
    let cordon = |name: &str, more: &str| {
        format!("- name: {name}\n  action: kubernetes.cordon_node\n  parameters: {{nodeName: n}}\n{more}")
    };
    assert_eq!(
        places(&steps(&[cordon("a", ""), cordon("b", "")])),
        ["14:11 change-without-verification"],
        "once, where the changes end"
    );
    assert_eq!(places(&steps(&[cordon("a", "  validation: {postCondition: {cordoned: true}}\n")])), NOTHING);
    assert_eq!(places(&steps(&[cordon("a", ""), read_step("b", "type: verification")])), NOTHING);
    assert_eq!(
        places(&steps(&[read_step("b", "type: verification"), cordon("a", "")])),
        ["15:11 change-without-verification"],
        "before the change is not after it"
    );
}

#[test]
fn a_verification_only_reads() {
    let text =
        steps(&["- name: a\n  type: verification\n  action: kubernetes.cordon_node\n  parameters: {nodeName: n}\n"
            .to_owned()]);
    assert_eq!(places(&text), ["13:13 changing-verification"]);
}

#[test]
fn decisions_have_branches_and_nothing_else_has() {
    assert_eq!(
        places(&with_steps("- name: a\n  title: Which?\n  type: decision\n")),
        ["11:11 decision-without-branches"]
    );
    assert_eq!(
        places(&with_steps("- name: a\n  title: Which?\n  type: manual\n  branches: {x: end}\n")),
        ["14:5 stray-branches"]
    );
}

#[test]
fn a_review_in_the_past_is_overdue_and_one_today_is_not() {
    let dated = |date: &str| with_spec(&format!("reviewDate: {date}\nsteps:\n{}", read_step("a", "")));
    assert_eq!(places(&dated("2026-05-31")), ["10:15 overdue-review"]);
    assert_eq!(places(&dated("2026-06-01")), NOTHING);
}

#[test]
fn a_bare_runbook_lacks_title_description_trigger_and_steps() {
    let text = "apiVersion: sre.oversight.io/v1\nkind: Runbook\nmetadata: {name: a}\nspec: {}\n";
    assert_eq!(
        places(text),
        ["4:1 missing-description", "4:1 missing-steps", "4:1 missing-title", "4:1 missing-triggers"]
    );
}

#[test]
fn a_step_for_people_says_what_to_do() {
    assert_eq!(places(&with_steps("- name: a\n")), ["11:11 missing-description"]);
    assert_eq!(places(&with_steps("- name: a\n  description: Look at the console.\n")), NOTHING);
}

#[test]
fn unknown_actions_and_automations_are_suggested() {
    let text = with_steps("- name: a\n  action: http.healthchek\n- name: b\n  automation: scale_servce\n");
    let hints: Vec<_> = findings(&text).into_iter().filter_map(|finding| finding.hint).collect();
    assert!(hints.contains(&"did you mean `http.healthcheck`?".to_owned()), "{hints:?}");
    assert!(hints.contains(&"did you mean `scale_service`?".to_owned()), "{hints:?}");
    let found = places(&text);
    assert!(found.contains(&"12:13 unknown-action".to_owned()), "{found:?}");
    assert!(found.contains(&"14:17 unknown-automation".to_owned()), "{found:?}");
    let undo = with_steps(&format!("- name: a\n  {READ}  rollback: {{action: nothing.here}}\n"));
    assert_eq!(places(&undo), ["14:24 unknown-action"]);
}

#[test]
fn parameters_are_compared_with_the_actions_schema() {
    let drain = |parameters: &str| {
        let text = steps(&[
            format!("- name: a\n  action: kubernetes.drain_node\n  parameters: {parameters}\n"),
            read_step("check", "type: verification"),
        ]);
        places(&text)
    };
    assert_eq!(drain("{nodeName: n, gracePeriod: 300}"), NOTHING);
    assert_eq!(drain("{nodename: n}"), ["13:17 missing-parameter", "13:18 unknown-parameter"]);
    assert_eq!(drain("{nodeName: 3}"), ["13:28 wrong-parameter"]);
    assert_eq!(drain("{nodeName: n, gracePeriod: long}"), ["13:44 wrong-parameter"]);
    assert_eq!(drain("{nodeName: n, gracePeriod: \"{{ .Alert.Labels.grace }}\"}"), NOTHING, "known later");
    let absent = steps(&["- name: a\n  action: http.healthcheck\n".to_owned()]);
    assert_eq!(places(&absent), ["12:13 missing-parameter"], "without parameters at the action");
}

#[test]
fn a_prerequisite_is_a_fact_of_its_action() {
    let get = |fact: &str| {
        steps(&[format!(
            "- name: a\n  action: kubernetes.get_pod\n  parameters: {{podName: p, namespace: n}}\n  validation:\n    prerequisite: {{{fact}: true}}\n"
        )])
    };
    assert_eq!(places(&get("podExists")), NOTHING);
    assert_eq!(places(&get("podHappy")), ["15:22 unknown-fact"]);
}

#[test]
fn a_person_who_types_a_command_has_a_terminal() {
    let found = |kind: &str, command: &str| -> bool {
        let text = with_steps(&format!("- name: a\n  type: {kind}\n  commands:\n  - {command}\n"));
        places(&text).into_iter().any(|place| place.ends_with("dead-command"))
    };
    for command in ["kubectl exec -it deploy/x -- sh", "docker exec -ti x sh", "kubectl exec --stdin --tty x -- sh"] {
        assert!(!found("manual", command), "a person has a terminal: {command}");
        assert!(found("verification", command), "Belay has none: {command}");
    }
    assert!(found("manual", "kubectl version --short"), "what no tool has is dead for a person too");
}

#[test]
fn dead_commands_are_found() {
    let run = |command: &str| -> Vec<String> {
        let text = with_steps(&format!("- name: a\n  type: verification\n  commands:\n  - {command}\n"));
        places(&text).into_iter().filter(|place| place.ends_with("dead-command")).collect()
    };
    for dead in [
        "kubectl rename secret a b",
        "kubectl version --short",
        "kubectl get componentstatuses",
        "kubectl get cs",
        "kubectl annotate certificate x cert-manager.io/renew=true",
        "kubectl exec -it deploy/x -- ls",
        "kubectl -n shop exec pod/x -ti -- ls",
        "kubectl exec --tty deploy/x -- ls",
        "[kubectl, exec, -it, deploy/x, --, ls]",
        "{script: \"set -e\\nkubectl exec -it x -- ls\"}",
    ] {
        assert_eq!(run(dead), ["14:7 dead-command"], "{dead}");
    }
    for alive in [
        "kubectl get pods -l app=rename",
        "kubectl version",
        "kubectl exec deploy/x -- ls -t",
        "\"# kubectl exec -it deploy/x -- ls\"",
        "kubectl get certificate x",
        "docker build -t tag dir",
    ] {
        assert_eq!(run(alive), NOTHING, "{alive}");
    }
}

#[test]
fn an_effect_is_raised_and_never_lowered() {
    let cordon = |effect: &str| {
        places(&steps(&[
            format!(
                "- name: a\n  action: kubernetes.cordon_node\n  parameters: {{nodeName: n}}\n  effect: {effect}\n  approval: true\n"
            ),
            read_step("check", "type: verification"),
        ]))
    };
    assert_eq!(cordon("read"), ["14:13 effect-lowered"]);
    assert_eq!(cordon("mutate"), NOTHING);
    assert_eq!(cordon("destructive"), NOTHING);
}

#[test]
fn inputs_agree_with_their_type() {
    let input =
        |fields: &str| places(&with_spec(&format!("inputs:\n  x: {{{fields}}}\nsteps:\n{}", read_step("a", ""))));
    assert_eq!(input("type: integer, default: 3"), NOTHING);
    assert_eq!(input("type: integer, default: three"), ["11:33 wrong-input"]);
    assert_eq!(input("type: integer, default: \"{{ .Alert.Labels.replicas }}\""), NOTHING);
    assert_eq!(input("options: [a, b], default: c"), ["11:35 wrong-input"]);
    assert_eq!(input("type: boolean, options: [1]"), ["11:34 wrong-input"]);
    assert_eq!(input("pattern: \"[\""), ["11:18 wrong-input"]);
    assert_eq!(input("pattern: \"[a-z]+\", default: A1"), ["11:37 wrong-input"]);
    assert_eq!(input("type: secret, default: hunter2"), ["11:32 wrong-input"]);
}

#[test]
fn the_full_sample_has_warnings_and_no_errors() {
    let errors: Vec<_> = findings(FULL).into_iter().filter(|finding| finding.severity == FindingLevel::Error).collect();
    assert_eq!(errors, []);
}

#[test]
fn every_rule_has_its_own_id_and_text() {
    let ids: std::collections::BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len());
    for rule in RULES {
        assert!(rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        assert!(rule.summary.ends_with('.') && rule.help.ends_with('.'), "{}", rule.id);
    }
}

#[test]
fn a_large_flow_is_checked_soon() {
    let text: Vec<String> = (0..2500)
        .map(|index| {
            let (far, near) = ((index * 7 + 1) % 2500, (index + 2) % 2500);
            format!("- {{name: d{index}, title: x, branches: {{a: d{far}, b: d{index}, c: d{near}}}}}\n")
        })
        .collect();
    let start = std::time::Instant::now();
    assert!(!findings(&steps(&text)).is_empty(), "nothing leads to the end");
    assert!(start.elapsed().as_secs() < 20);
}
