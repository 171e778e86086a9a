#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn root() -> Value {
    json!({
        "Alert": {
            "labels": { "pod": "web-0", "namespace": "shop", "replicas": "3", "evil": "{{ .Vars.name }} {name}" },
            "annotations": { "summary": "it is slow" },
            "startsAt": "2026-01-02T03:04:05Z",
            "fingerprint": "abc",
        },
        "Config": { "database": { "host": "db.internal", "healthUrl": "https://db.internal/health" } },
        "Service": { "healthUrl": "http://shop:8080/health" },
        "Vars": { "name": "checkout", "count": 4, "nothing": null, "password": { "$secret": "db" } },
        "Steps": { "look-up": { "output": { "items": ["a", "b"], "ok": true } } },
        "CurrentMemory": "512Mi",
    })
}

fn with_scope<T>(run: impl FnOnce(&Scope<'_>) -> T) -> T {
    let root = root();
    let variables: BTreeSet<String> = ["name".to_owned(), "count".to_owned()].into();
    run(&Scope { root: &root, variables: &variables })
}

fn text(template: &str) -> Result<String, RenderError> {
    with_scope(|scope| render_text(template, scope))
}

fn holds(condition: &str) -> Result<bool, RenderError> {
    with_scope(|scope| evaluate(condition, scope))
}

#[test]
fn fields_of_the_alert_are_found_with_either_case_of_their_first_letter() {
    assert_eq!(text("{{ .Alert.Labels.pod }}/{{ .Alert.labels.pod }}").unwrap(), "web-0/web-0");
    assert_eq!(text("{{ .Alert.StartsAt }} {{ .Alert.Fingerprint }}").unwrap(), "2026-01-02T03:04:05Z abc");
    assert_eq!(text("{{ .Service.HealthUrl }}").unwrap(), "http://shop:8080/health");
    assert!(text("{{ .Alert.Labels.Pod }}").is_err(), "labels themselves are exact");
}

#[test]
fn every_missing_value_is_named_at_once() {
    let Err(RenderError::Missing { references }) =
        text("{{ .Alert.Labels.a }} {{ .Vars.b }} {{ .Vars.b }} {{ .Vars.nothing }}")
    else {
        panic!("missing values are an error");
    };
    let paths: Vec<&str> = references.iter().map(|r| r.path.as_str()).collect();
    assert_eq!(paths, [".Alert.Labels.a", ".Vars.b", ".Vars.nothing"]);
    assert_eq!(references[1].variable.as_deref(), Some("b"));
}

#[test]
fn a_missing_value_under_default_or_in_a_condition_is_no_error() {
    assert_eq!(text(r#"{{ default "none" .Vars.b }}"#).unwrap(), "none");
    assert_eq!(text(r#"{{ .Vars.b | default "none" }}"#).unwrap(), "none");
    assert_eq!(text("{{ if .Vars.b }}yes{{ else if .Vars.name }}maybe{{ else }}no{{ end }}").unwrap(), "maybe");
    assert_eq!(text("{{ with .Vars.b }}{{ . }}{{ else }}no{{ end }}").unwrap(), "no");
    assert_eq!(text("{{ if not .Vars.b }}no{{ end }}").unwrap(), "no");
    assert_eq!(text(r#"{{ if eq .Vars.b "x" }}yes{{ else }}no{{ end }}"#).unwrap(), "no");
}

#[test]
fn a_value_is_never_expanded_again() {
    assert_eq!(text("{{ .Alert.Labels.evil }}").unwrap(), "{{ .Vars.name }} {name}");
}

#[test]
fn blocks_trim_markers_and_comments_work_as_in_go() {
    assert_eq!(
        text("a {{- /* hidden */ -}} b{{ range .Steps.look-up.output.items }}[{{ . }}]{{ else }}none{{ end }}")
            .unwrap(),
        "ab[a][b]"
    );
    assert_eq!(text("{{ with .Config.database }}{{ .host }}:{{ $.Vars.count }}{{ end }}").unwrap(), "db.internal:4");
    assert_eq!(text("x {{- .Vars.name -}} y").unwrap(), "xcheckouty");
    assert_eq!(text(r#"{{ "{{" }}.Names}}"#).unwrap(), "{{.Names}}");
}

#[test]
fn functions_compute() {
    for (template, expected) in [
        ("{{ multiply .CurrentMemory 1.5 }}", "768Mi"),
        ("{{ multiply .CurrentMemory 1.2 }}", "644245095"),
        ("{{ multiply 0.1 3 }}", "0.3"),
        ("{{ divide 7 2 }} {{ divide 6 2 }} {{ add 1 2 3 }} {{ subtract 1 4 }}", "3.5 3 6 -3"),
        ("{{ multiply .Alert.Labels.replicas 2 }}", "6"),
        ("{{ .Vars.name | upper | printf \"%q\" }}", "\"CHECKOUT\""),
        ("{{ printf \"%05.1f|%-4s|%3d|%v|%%\" 2.25 \"a\" 7 true }}", "002.2|a   |  7|true|%"),
        ("{{ index .Alert.Labels \"pod\" }} {{ index .Steps.look-up.output.items 1 }}", "web-0 b"),
        ("{{ join \",\" .Steps.look-up.output.items }} {{ len .Steps.look-up.output.items }}", "a,b 2"),
        ("{{ toJson .Steps.look-up.output }}", "{\"items\":[\"a\",\"b\"],\"ok\":true}"),
        ("{{ quote .Vars.name }} {{ trim \" a \" }} {{ lower \"A\" }}", "\"checkout\" a a"),
        ("{{ (index .Config \"database\").host }}", "db.internal"),
    ] {
        assert_eq!(text(template).unwrap_or_else(|e| panic!("{template}: {e}")), expected, "{template}");
    }
}

#[test]
fn conditions_give_true_or_false_with_or_without_braces() {
    for (condition, expected) in [
        ("{{ gt .Vars.count 3 }}", true),
        ("gt .Vars.count 3", true),
        ("lt .CurrentMemory \"1Gi\"", true),
        ("gt 0.95 0", true),
        ("ge .Alert.Labels.replicas 4", false),
        ("eq .Alert.Labels.pod \"a\" \"web-0\"", true),
        ("eq .Alert.Labels.replicas 3", true),
        ("ne .Vars.count 4", false),
        ("and (eq 1 1) (not (eq 1 2))", true),
        ("or .Vars.count (eq 1 2) | not", false),
        ("contains \"eb\" .Alert.Labels.pod", true),
        ("hasPrefix \"web\" .Alert.Labels.pod", true),
        (".Steps.look-up.output.ok", true),
        ("{{ if .Vars.count }}true{{ else }}false{{ end }}", true),
        ("true", true),
    ] {
        assert_eq!(holds(condition).unwrap_or_else(|e| panic!("{condition}: {e}")), expected, "{condition}");
    }
    assert!(matches!(holds(".Vars.name"), Err(RenderError::Type { .. })));
    assert!(matches!(holds("gt .Vars.absent 3"), Err(RenderError::Missing { .. })), "nobody guesses a condition");
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    for (template, part) in [
        ("{{ .Alert.", "never closed"),
        ("{{ .Alert. }}", "a field name must follow"),
        ("{{ .Alert.Labels.pod", "never closed"),
        ("{{ multiplay 1 2 }}", "did you mean `multiply`"),
        ("{{ name }}", ".Vars.name"),
        ("{{ if .a }}x", "`if` is never closed"),
        ("{{ end }}", "nothing is open"),
        ("{{ \"abc }}", "never"),
        ("{{ $x := 1 }}", "variables"),
        ("{{ eq 1 }}", "at least 2"),
        ("{{ (1 }}", "never closed"),
        ("{{ }}", "empty"),
        ("{{ 1x }}", "not a number"),
        ("{{ /* x }}", "never ends"),
    ] {
        let error = check(template).expect_err(template);
        assert!(error.message.contains(part), "{template}: {}", error.message);
    }
    assert!(check(&"{{ if .a }}".repeat(1000)).is_err(), "nesting is bounded");
    assert!(check(&format!("{{{{ {}1 }}}}", "(".repeat(10_000))).is_err(), "parentheses are bounded");
}

#[test]
fn output_is_bounded() {
    let root = json!({ "list": vec![0; 1000], "big": "x".repeat(100_000) });
    let variables = BTreeSet::new();
    let scope = Scope { root: &root, variables: &variables };
    let nested = "{{ range .list }}{{ range $.list }}x{{ end }}{{ end }}";
    assert_eq!(render_text(nested, &scope), Err(RenderError::TooLarge));
    assert_eq!(render_text("{{ range .list }}{{ $.big }}{{ end }}", &scope), Err(RenderError::TooLarge));
    let quotes = format!("{{{{ .big {}}}}}", "| quote ".repeat(30));
    assert!(render_text(&quotes, &scope).is_err(), "escaping what is escaped doubles each time");
}

#[test]
fn references_are_found_without_evaluating() {
    let found = references(
        "{{ .Alert.Labels.pod }}{{ if .Vars.x }}{{ end }}{{ .Vars.y | default .Vars.z }}\
         {{ with .Config.database }}{{ .host }}{{ end }}{{ range .Steps.a.items }}{{ .name }}{{ end }}\
         {{ index .Alert.Labels \"app\" }}",
    )
    .unwrap();
    let shown: Vec<String> = found.iter().map(|r| format!("{}{}", r.path, if r.optional { "?" } else { "" })).collect();
    assert_eq!(
        shown,
        [
            ".Alert.Labels.app",
            ".Alert.Labels.pod",
            ".Config.database?",
            ".Config.database.host",
            ".Steps.a.items",
            ".Vars.x?",
            ".Vars.y?",
            ".Vars.z"
        ]
    );
}

#[test]
fn a_lone_expression_keeps_its_type_in_json() {
    with_scope(|scope| {
        assert_eq!(render_value("{{ .Vars.count }}", Sink::Json, scope).unwrap(), json!(4));
        assert_eq!(render_value("n={{ .Vars.count }}", Sink::Json, scope).unwrap(), json!("n=4"));
        assert_eq!(render_value("{{ .Steps.look-up.output.items }}", Sink::Json, scope).unwrap(), json!(["a", "b"]));
    });
}

#[test]
fn a_secret_stays_a_name_and_only_a_variable_can_name_one() {
    with_scope(|scope| {
        assert_eq!(render_value("{{ .Vars.password }}", Sink::Json, scope).unwrap(), json!({ "$secret": "db" }));
        assert!(render_value("Bearer {{ .Vars.password }}", Sink::Json, scope).is_err());
        assert!(render_value("{{ .Vars.password }}", Sink::Argument, scope).is_err());
        assert!(render_value("{{ .Vars.password | toJson }}", Sink::Json, scope).is_err());
    });
    let root = json!({ "Steps": { "fetch": { "body": { "$secret": "db" }, "list": [{ "$secret": "db" }] } } });
    let variables = BTreeSet::new();
    let scope = Scope { root: &root, variables: &variables };
    for path in ["{{ .Steps.fetch.body }}", "{{ .Steps.fetch.list }}", "{{ .Steps.fetch }}"] {
        assert!(matches!(render_value(path, Sink::Json, &scope), Err(RenderError::Refused { .. })), "{path}");
    }
}

#[test]
fn parameters_render_leaf_by_leaf_for_their_sink() {
    let spec = crate::action::ActionSpec {
        sinks: [("name".to_owned(), Sink::Name), ("url".to_owned(), Sink::Url)].into(),
        ..spec_named("test.act")
    };
    with_scope(|scope| {
        let parameters = json!({
            "name": "{{ .Alert.Labels.pod }}",
            "url": "http://{{ .Alert.Labels.pod }}.{{ .Alert.Labels.namespace }}:8080/health",
            "patch": { "list": [{ "memory": "{{ multiply .CurrentMemory 1.5 }}", "n": "{{ .Vars.count }}" }], "on": true },
        });
        assert_eq!(
            render_parameters(&parameters, &spec, scope).unwrap(),
            json!({
                "name": "web-0",
                "url": "http://web-0.shop:8080/health",
                "patch": { "list": [{ "memory": "768Mi", "n": 4 }], "on": true },
            })
        );
        let missing = json!({ "name": "{{ .Vars.a }}", "patch": ["{{ .Vars.b }}"] });
        let Err(RenderError::Missing { references }) = render_parameters(&missing, &spec, scope) else {
            panic!("missing values are an error");
        };
        assert_eq!(references.len(), 2, "all leaves are looked at");
    });
}

fn spec_named(name: &str) -> crate::action::ActionSpec {
    crate::action::ActionSpec {
        name: name.to_owned(),
        description: String::new(),
        parameters: json!({}),
        output: json!({}),
        sinks: std::collections::BTreeMap::new(),
        effect: crate::action::Effect::Mutate,
        idempotent: false,
        captures_undo: false,
        published: Vec::new(),
        facts: Vec::new(),
        target_parameter: None,
        kinds: Vec::new(),
        access: Vec::new(),
        available: true,
    }
}

fn template_like() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " - ",
        ".",
        ".Alert",
        ".Vars.name",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "(",
        ")",
        "|",
        "\"",
        "`",
        "\\",
        "eq ",
        "multiply ",
        "index ",
        "default ",
        "printf ",
        "%",
        "1",
        "-1.5e3",
        "/*",
        "*/",
        "$",
        "x",
        "\n",
        "é",
        "{name}",
        "{",
        "}",
        "'",
        "\u{202e}",
    ]);
    prop::collection::vec(parts, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        exercise(&text);
    }

    #[test]
    fn nothing_that_resembles_a_template_makes_it_panic(text in template_like()) {
        exercise(&text);
    }
}

fn exercise(text: &str) {
    with_scope(|scope| {
        check(text).ok();
        references(text).ok();
        condition_references(text).ok();
        evaluate(text, scope).ok();
        for sink in [
            Sink::Text,
            Sink::Json,
            Sink::Name,
            Sink::Url,
            Sink::Host,
            Sink::Query,
            Sink::Script,
            Sink::Argument,
            Sink::Shell,
        ] {
            render_value(text, sink, scope).ok();
        }
    });
}
