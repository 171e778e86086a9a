#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::process::{Command, Stdio};

use super::*;

const HOSTILE: [&str; 36] = [
    "plain",
    "",
    " ",
    "two words",
    "it's",
    "say \"hi\"",
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY",
    "| touch CANARY",
    "&& touch CANARY",
    "|| touch CANARY",
    "\ntouch CANARY\n",
    "'; touch CANARY; '",
    "\"; touch CANARY; \"",
    "'\"; touch CANARY; \"'",
    "${HOME}",
    "$HOME",
    "${IFS}touch${IFS}CANARY",
    "{a,b}",
    "{name}",
    "{{ .Vars.name }}",
    "*",
    "?",
    "[a-z]",
    "~",
    "\\",
    "\\n",
    "%0a",
    "%s%n",
    "!!",
    "# comment",
    "> CANARY",
    "a\u{202e}b\u{200f}",
    "höhe 🧗",
    ")\ntouch CANARY #",
];

#[allow(clippy::needless_pass_by_value, reason = "tests read better with a literal")]
fn run(commands: &[CommandSpec], vars: Value) -> Result<Vec<Act>, RenderError> {
    let variables: BTreeSet<String> = vars.as_object().unwrap().keys().cloned().collect();
    let root = json!({ "Vars": vars, "Alert": { "labels": { "pod": "web-0" } } });
    render(commands, &Scope { root: &root, variables: &variables })
}

fn lines(lines: &[&str]) -> Vec<CommandSpec> {
    lines.iter().map(|line| CommandSpec::Line((*line).to_owned())).collect()
}

fn one(line: &str, vars: Value) -> Value {
    let acts = run(&lines(&[line]), vars).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(acts.len(), 1, "{line}");
    acts[0].parameters.clone()
}

fn problems(line: &str) -> Vec<String> {
    let variables: BTreeSet<String> = ["x".to_owned(), "name".to_owned()].into();
    check(&lines(&[line]), &variables).into_iter().map(|problem| problem.message).collect()
}

#[test]
fn a_line_without_shell_syntax_becomes_an_argument_vector() {
    for (line, argv) in [
        (
            "kubectl get pods -l app=postgresql -o wide",
            json!(["kubectl", "get", "pods", "-l", "app=postgresql", "-o", "wide"]),
        ),
        (
            r#"curl -X POST https://api.example.com/v1/chat/test -d '{"message": "test"}'"#,
            json!(["curl", "-X", "POST", "https://api.example.com/v1/chat/test", "-d", "{\"message\": \"test\"}"]),
        ),
        (
            "psql -h {host} -c 'SELECT pg_promote();'",
            json!(["psql", "-h", "db.internal", "-c", "SELECT pg_promote();"]),
        ),
        (
            "curl http://prometheus:9090/api/v1/query?query=vector_store_index_size",
            json!(["curl", "http://prometheus:9090/api/v1/query?query=vector_store_index_size"]),
        ),
        ("kubectl logs {{ .Alert.Labels.pod }}", json!(["kubectl", "logs", "web-0"])),
        (r#"echo "a \"b\" 'c'" d\ e """#, json!(["echo", "a \"b\" 'c'", "d e", ""])),
    ] {
        assert_eq!(one(line, json!({ "host": "db.internal" })), json!({ "argv": argv }), "{line}");
    }
}

#[test]
fn a_line_with_shell_syntax_becomes_a_constant_script() {
    assert_eq!(
        one("curl -s http://rag:8080/health | jq '.database'", json!({})),
        json!({ "script": "curl -s http://rag:8080/health | jq '.database'" })
    );
    assert_eq!(
        one("kubectl logs {pod} | grep \"at {pod}\" > '/tmp/{pod}.log'", json!({ "pod": "web-0" })),
        json!({
            "script": "kubectl logs \"$BELAY_1\" | grep \"at ${BELAY_2}\" > '/tmp/'\"$BELAY_3\"'.log'",
            "env": { "BELAY_1": "web-0", "BELAY_2": "web-0", "BELAY_3": "web-0" },
        })
    );
    for line in [
        "ETCDCTL_API=3 etcdctl snapshot save /backup/x.db",
        "aws s3 cp /backup/etcd-*.db s3://b/",
        "echo $HOME",
        "cd /tmp",
        "ls ~",
        "echo `date`",
        "sleep 1 &",
        "echo \"${HOME}\"",
        "! true",
        "test -f x && echo y",
    ] {
        assert!(one(line, json!({})).get("script").is_some(), "{line}");
    }
}

#[test]
fn comments_and_blanks_are_notes_and_one_loop_over_several_entries_is_one_script() {
    let commands = lines(&[
        "# For EKS",
        "aws eks wait cluster-active --name production",
        "",
        "# Every deployment",
        "for d in a b; do",
        "  # restart it",
        "  kubectl rollout restart deployment/$d",
        "done",
        "echo done",
        "# the end",
    ]);
    let acts = run(&commands, json!({})).unwrap();
    assert_eq!(acts.len(), 3);
    assert_eq!(acts[0].parameters["description"], "For EKS");
    assert_eq!(
        acts[1].parameters["script"],
        "for d in a b; do\n  # restart it\n  kubectl rollout restart deployment/$d\ndone"
    );
    assert_eq!(acts[2].parameters["argv"], json!(["echo", "done"]));
    assert_eq!(notes(&commands), ["For EKS", "Every deployment", "restart it", "the end"]);
    let split = [
        vec!["echo 'a", "b'"],
        vec!["echo a \\", "b"],
        vec!["cat <<EOF", "x", "EOF"],
        vec!["true &&", "echo x"],
        vec!["if true; then", "echo x", "fi"],
        vec!["case a in", "a) echo x;;", "esac"],
        vec!["x() {", "true", "}"],
        vec!["(true", "false)"],
        vec!["echo $(", "date", ")"],
    ];
    for parts in split {
        let acts = run(&lines(&parts), json!({})).unwrap();
        assert_eq!(acts.len(), 1, "{parts:?}");
    }
}

#[test]
fn an_entry_that_never_ends_is_a_problem_of_its_own() {
    let variables = BTreeSet::new();
    let commands = lines(&["echo it's", "echo fine"]);
    let found = check(&commands, &variables);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].entry, 0);
}

#[test]
fn places_without_a_safe_encoding_are_refused() {
    for line in [
        "sh -c 'echo {x}'",
        "bash -lc \"echo {x}\"",
        "eval echo {x}",
        "ssh host uptime {x}",
        "su -c 'ls {x}' root",
        "ls | xargs sh -c 'rm {x}'",
        "cat <<EOF\n{x}\nEOF",
        "echo a # {x}",
        "awk '{print \"{x}\"}' f",
        "awk -F : '/{x}/' f",
        "sed 's/a/{x}/' f",
        "sed -n -e 's/{x}/b/' f",
        "jq '.a == \"{x}\"' f",
        "python3 -c 'print(\"{x}\")'",
        "perl -ne 'print if /{x}/' f",
        "psql -c \"select '{x}'\"",
        "psql --command={x}",
        "psql -h db -c{x}",
        "echo $(( {x} + 1 ))",
        "echo `ls {x}`",
        "echo ${y:-{x}}",
        "{x} --help",
        "echo a | {x}",
        "$CMD {x}",
        "case a in {x}) echo;; esac",
        "export {x}",
        "for {x} in a; do echo; done",
        "kubectl exec p -- sh -c 'ls {x}'",
        "sudo -u app bash -c {x}",
        "echo $'{x}'",
        "echo \\{x}",
        "cat > {{ .Alert.labels.pod }}",
        "let a={x}",
        "[[ a -eq {x} ]]",
        "{x}=1 env",
        "find . -exec sh -c 'rm {x}' ;",
        "mysql -e 'drop table {x}'",
        "watch ls {x}",
        "trap {x} EXIT",
        ". {x}",
        "PATH={x} ls",
        "x() { echo; }; cat <(ls {x})",
        "node -e {x}",
        "env -S {x}",
        "kubectl get pods -o jsonpath={x}",
        "echo \"`ls {x}`\"",
        "a=({x})",
        "echo \"${y#{x}}\"",
        "sqlite3 db 'select {x}'",
        "ssh -oProxyCommand={x} host",
        "docker exec c bash -c \"echo {x}\"",
        "cat <<{x}\na\n{x}",
        "read {x}",
        "test -v {x}",
        "2>/dev/null {x}",
        "echo \"${y:-'}\" 'a}' {x}",
        "a=(b # it's\n) echo {x}",
        "echo \"${y:-it's}\" {x}",
        "sh {x}",
    ] {
        assert!(!problems(line).is_empty(), "{line}");
        assert!(
            matches!(run(&lines(&[line]), json!({ "x": "a" })), Err(RenderError::Refused { .. })),
            "{line}: {:?}",
            run(&lines(&[line]), json!({ "x": "a" }))
        );
    }
}

#[test]
fn places_with_a_safe_encoding_are_no_problem() {
    for line in [
        "echo {x}",
        "echo \"a {x}\"",
        "echo 'a {x}'",
        "FOO={x} env",
        "export FOO={x}",
        "echo $(ls {x})",
        "jq --arg a {x} '.[$a]' f",
        "awk '{print $1}' {x}",
        "sed -n 1p {x}",
        "sh -c 'echo \"$1\"' _ {x}",
        "ssh {x} uptime",
        "for i in {x}; do echo $i; done",
        "psql -h {x} -c 'select 1'",
        "if test -f {x}; then cat {x}; fi",
        "case {x} in a) echo b;; esac",
        "cat > /tmp/{x}.log",
        "ls {x} 2>/dev/null",
        "cat > {x}",
        "echo \"${y:-z}\" {x}",
        "echo $((1 + 2)) {x}",
        "kubectl exec pod -- ls {x}",
        "(cd /tmp && ls {x})",
        "curl https://example.com/{x}",
        "echo \"$(ls \"{x}\")\"",
    ] {
        assert_eq!(problems(line), Vec::<String>::new(), "{line}");
        run(&lines(&[line]), json!({ "x": "a" })).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn a_value_that_a_program_would_misread_is_refused_when_it_comes() {
    for (line, value) in [
        ("ls {x}", "-rf"),
        ("ls \"{x}\" | wc", "--help"),
        ("ls '{x}'", "-a"),
        ("cat > {x}", "/dev/tcp/1.2.3.4/80"),
        ("curl -d {x} http://a", "@/etc/passwd"),
        ("curl -d '{\"a\": \"{x}\"}' http://a", "\", \"admin\": \"1"),
        ("kubectl patch d -p '{\"replicas\": {x}}'", "1, \"b\": 2"),
        ("ls {x}", "a\0b"),
        ("curl http://{x}/a", "169.254.169.254"),
        ("curl http://{x}:80/", "evil.com/"),
        ("curl https://a/{x}/b", ".."),
    ] {
        let result = run(&lines(&[line]), json!({ "x": value }));
        assert!(matches!(result, Err(RenderError::Refused { .. })), "{line} with {value:?}: {result:?}");
    }
    assert_eq!(one("curl https://a/{x}", json!({ "x": "a b/?" }))["argv"][1], "https://a/a%20b%2F%3F");
    assert_eq!(one("kubectl patch d -p '{\"n\": {x}}'", json!({ "x": 3 }))["argv"][4], "{\"n\": 3}");
}

#[test]
fn a_secret_reaches_an_environment_and_never_an_argument() {
    let vars = json!({ "password": { "$secret": "db" } });
    assert_eq!(
        one("PGPASSWORD={password} psql -h db", vars.clone()),
        json!({ "script": "PGPASSWORD=\"$BELAY_1\" psql -h db", "env": { "BELAY_1": { "$secret": "db" } } })
    );
    assert!(run(&lines(&["mysql -p{password}"]), vars).is_err());
}

#[test]
fn braces_that_name_no_variable_stay_and_near_misses_are_pointed_out() {
    assert_eq!(
        one("echo {other} {print $1} ${name}", json!({ "name": "a" }))["script"],
        "echo {other} {print $1} ${name}"
    );
    assert_eq!(problems("echo {nmae}").len(), 1);
    assert!(problems("awk '{print}' f").is_empty());
}

#[test]
fn every_missing_variable_of_every_entry_is_named() {
    let variables: BTreeSet<String> = ["a".to_owned(), "b".to_owned()].into();
    let root = json!({ "Vars": {} });
    let commands =
        [CommandSpec::Line("echo {a} | cat".to_owned()), CommandSpec::Argv(vec!["echo".to_owned(), "{b}".to_owned()])];
    let Err(RenderError::Missing { references }) = render(&commands, &Scope { root: &root, variables: &variables })
    else {
        panic!("missing values are an error");
    };
    assert_eq!(references.len(), 2);
}

fn execute(shell: &str, parameters: &Value, directory: &std::path::Path) -> Vec<u8> {
    let mut command = if let Some(argv) = parameters.get("argv") {
        let argv: Vec<&str> = argv.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]);
        command
    } else {
        let mut command = Command::new(shell);
        command.arg("-c").arg(parameters["script"].as_str().unwrap());
        command
    };
    if let Some(environment) = parameters.get("env").and_then(Value::as_object) {
        command.envs(environment.iter().map(|(name, value)| (name, value.as_str().unwrap())));
    }
    let output = command.current_dir(directory).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{parameters}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn no_hostile_value_executes_in_any_quoting_position_and_each_arrives_verbatim() {
    let positions = [
        ("printf %s {x}", "", ""),
        ("printf %s {x} | cat", "", ""),
        ("printf %s a{x}b | cat", "a", "b"),
        ("printf %s \"a {x} b\" | cat", "a ", " b"),
        ("printf %s 'a {x} b' | cat", "a ", " b"),
        ("printf %s \"{x}\" && true", "", ""),
        ("printf %s '{x}' && true", "", ""),
        ("printf %s \"$(printf '%s.' {x})\"", "", "."),
        ("printf %s \"$(printf '%s.' \"{x}\")\"", "", "."),
        ("for i in {x}; do printf %s \"$i\"; done", "", ""),
        ("if true; then printf %s {x}; fi", "", ""),
        ("(printf %s {x})", "", ""),
        ("V={x}; printf %s \"$V\"", "", ""),
        ("V={x} sh -c 'printf %s \"$V\"'", "", ""),
        ("sh -c 'printf %s \"$1\"' _ {x}", "", ""),
        ("export V={x}; printf %s \"$V\"", "", ""),
        ("printf %s 'it'\\''s '{x} ; true", "it's ", ""),
        ("# a note's quote\nprintf %s {x}\n", "", ""),
    ];
    let directory = std::env::temp_dir().join(format!("belay-shell-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let long = "x'\"$(".repeat(10_000);
    let values: Vec<&str> = HOSTILE.iter().copied().chain([long.as_str()]).collect();
    for shell in ["/bin/sh", "/bin/dash", "/bin/bash"] {
        if !std::path::Path::new(shell).exists() {
            eprintln!("skipped: {shell} is not here");
            continue;
        }
        for (line, before, after) in positions {
            for value in &values {
                let parameters = one(line, json!({ "x": value }));
                let output = execute(shell, &parameters, &directory);
                assert_eq!(
                    String::from_utf8_lossy(&output),
                    format!("{before}{value}{after}"),
                    "{shell}: {line}: the value arrives as it is"
                );
            }
        }
    }
    let left: Vec<_> = std::fs::read_dir(&directory).unwrap().collect();
    assert!(left.is_empty(), "nothing was executed, so no file was made: {left:?}");
    std::fs::remove_dir_all(&directory).unwrap();
}
