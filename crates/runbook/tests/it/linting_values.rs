//! The rules about values: variables, placeholders, templates and conditions.

use crate::catalog::places;
use crate::linting::{NOTHING, read_step};
use crate::samples::{with_spec, with_steps};

/// A runbook with the input `node` and one verification with these fields.
fn verifying(fields: &str) -> String {
    with_spec(&format!("inputs:\n  node: {{type: string}}\nsteps:\n- name: a\n  type: verification\n{fields}"))
}

#[test]
fn a_variable_in_a_template_is_declared() {
    let healthcheck =
        |url: &str| places(&verifying(&format!("  action: http.healthcheck\n  parameters: {{url: \"{url}\"}}\n")));
    assert_eq!(healthcheck("http://{{ .Vars.node }}/"), NOTHING);
    assert_eq!(healthcheck("http://{{ .Vars.nodes }}/"), ["16:23 undeclared-variable"]);
    assert_eq!(healthcheck("http://{{ .Alert.Labels.pod }}/"), NOTHING, "the alert may have it");
    assert_eq!(healthcheck("http://{{ .Steps.a.host }}/"), NOTHING);
    assert_eq!(healthcheck("http://{{ .Steps.b.host }}/"), ["16:23 undeclared-variable"]);
    assert_eq!(healthcheck("http://{{ .Alrt.Labels.pod }}/"), ["16:23 undeclared-variable"]);
    assert_eq!(healthcheck("http://{{ .Vars.nodes | default \\\"a\\\" }}/"), NOTHING, "it does without");
}

#[test]
fn a_published_value_is_supplied_by_its_action_and_a_script_may_supply_any() {
    let patch = "- name: b\n  type: manual\n  title: Look\n  when: \"{{ .CurrentMemory }}\"\n";
    let get = "- name: a\n  action: kubernetes.get_pod\n  parameters: {podName: p, namespace: n}\n";
    assert_eq!(places(&with_steps(&format!("{get}{patch}"))), NOTHING);
    assert_eq!(places(&with_steps(&format!("{}{patch}", read_step("a", "")))), ["17:11 undeclared-variable"]);
    let script = "- name: a\n  action: script.execute\n  parameters: {script: \"context.CurrentMemory = 1\"}\n";
    assert_eq!(places(&with_steps(&format!("{script}{patch}"))), NOTHING);
}

#[test]
fn a_placeholder_in_a_command_is_a_declared_variable() {
    let run = |command: &str| places(&verifying(&format!("  commands:\n  - {command}\n")));
    assert_eq!(run("kubectl get node {node}"), NOTHING);
    assert_eq!(run("kubectl get node {nodee}"), ["16:7 unlikely-placeholder"]);
    assert_eq!(run("kubectl get node {{ .Vars.other }}"), ["16:7 undeclared-variable"]);
    assert_eq!(run("\"curl http://a -d '{\\\"message\\\": 1}'\""), NOTHING, "braces are only braces");
}

#[test]
fn a_value_without_a_safe_encoding_is_found() {
    let run = |command: &str| places(&verifying(&format!("  commands:\n  - {command}\n")));
    assert_eq!(run("sh -c 'echo {node}'"), ["16:7 unsafe-value"]);
    assert_eq!(run("eval echo {node}"), ["16:7 unsafe-value"]);
    assert_eq!(run("ssh host reboot {node}"), ["16:7 unsafe-value"]);
    assert_eq!(run("echo \"{node}\" | cat"), NOTHING);
    let script =
        |text: &str| places(&verifying(&format!("  action: script.execute\n  parameters:\n    script: \"{text}\"\n")));
    assert_eq!(script("// {{ .Vars.node }}"), ["17:15 unsafe-value"]);
    assert_eq!(script("return '{{ .Vars.node }}'"), NOTHING);
    let query = |text: &str| places(&verifying(&format!("  action: logs.query\n  parameters:\n    query: '{text}'\n")));
    assert_eq!(query("{service=\"{{ .Alert.Labels.service }}\"}"), NOTHING);
    assert_eq!(query("{service={{ .Alert.Labels.service }}}"), ["17:14 unsafe-value"]);
}

#[test]
fn templates_and_conditions_parse() {
    assert_eq!(
        places(&verifying("  action: http.healthcheck\n  parameters: {url: \"http://{{ .Vars.node\"}\n")),
        ["16:23 template-syntax"]
    );
    assert_eq!(places(&verifying("  commands: [\"echo {{ nothing .Vars.node }}\"]\n")), ["15:16 template-syntax"]);
    assert_eq!(places(&verifying("  when: \"{{ eq .Vars.node }\"\n")), ["15:11 condition-syntax"]);
    assert_eq!(places(&verifying("  when: eq .Vars.node \"a\"\n")), NOTHING);
    assert_eq!(places(&verifying("  commands: [\"for i in 1 2; do echo\"]\n")), ["15:16 command-syntax"]);
}
