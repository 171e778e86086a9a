#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::action::Sink;
use crate::template::{RenderError, Scope, render_value};

const HOSTILE: [&str; 34] = [
    "plain",
    "it's",
    "say \"hi\"",
    "`x`",
    "$(x)",
    "${x}",
    "${globalThis.x = 1}",
    "'; x(); '",
    "\"; x(); \"",
    "`; x(); `",
    "\\",
    "\\'",
    "\\\"",
    "\n",
    "\r\n",
    "\u{2028}",
    "\u{2029}",
    "</script>",
    "<!--",
    "-->",
    "*/",
    "//",
    "{{ .Vars.x }}",
    "{x}",
    "%0a",
    ";",
    "|",
    "&&",
    "-rf",
    "a\u{202e}b\u{200f}",
    "höhe 🧗",
    "\u{1}",
    "\" or \"\"=\"",
    "} or vector(1) #",
];

fn render(text: &str, sink: Sink, value: &str) -> Result<String, RenderError> {
    render_from("Alert", text, sink, &json!(value))
}

/// Renders a template over `.R.x`, where the value stands under the root that decides how far it is trusted.
fn render_from(root: &str, text: &str, sink: Sink, value: &Value) -> Result<String, RenderError> {
    let scope_root = json!({ root: { "x": value } });
    let variables = BTreeSet::new();
    let scope = Scope { root: &scope_root, variables: &variables };
    render_value(&text.replace("{{}}", &format!("{{{{ .{root}.x }}}}")), sink, &scope)
        .map(|value| value.as_str().unwrap().to_owned())
}

fn refused(text: &str, sink: Sink, value: &str) -> bool {
    matches!(render(text, sink, value), Err(RenderError::Refused { .. }))
}

/// Decodes a JavaScript string literal from its opening quote to its end; panics where the literal ends early.
fn decode(script: &str, before: &str, quote: char, after: &str) -> String {
    let rest = script.strip_prefix(before).unwrap().trim_start().strip_prefix(quote).unwrap();
    let mut units: Vec<u16> = Vec::new();
    let mut characters = rest.chars();
    loop {
        match characters.next().unwrap() {
            '\\' => match characters.next().unwrap() {
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).unwrap());
                }
                other => panic!("the encoder writes only \\u, not \\{other}"),
            },
            c if c == quote => break,
            c => {
                assert!(!matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}' | '$' | '<'), "{c:?} stays raw in {script}");
                units.extend(c.encode_utf16(&mut [0; 2]).iter());
            }
        }
    }
    assert_eq!(characters.as_str().trim_start(), after, "the literal ends where the author ended it");
    String::from_utf16(&units).unwrap()
}

#[test]
fn values_in_scripts_stay_inside_their_literal() {
    for value in HOSTILE {
        for quote in ['\'', '"', '`'] {
            let text = format!("const a = {quote}{{{{}}}}{quote};");
            let script = render(&text, Sink::Script, value).unwrap();
            assert_eq!(decode(&script, "const a = ", quote, ";"), value, "{script}");
        }
        let script = render("const a = {{}};", Sink::Script, value).unwrap();
        assert_eq!(decode(&script, "const a = ", '"', ";"), value, "outside a literal it becomes one");
    }
}

#[test]
fn values_in_comments_and_regular_expressions_of_scripts_are_refused() {
    for text in [
        "// {{}}",
        "/* {{}} */",
        "x = /{{}}/",
        "return /a{{}}/;",
        "if (a) /{{}}/.test(b)",
        "x = `${ /{{}}/ }`",
        "'\\u{{}}'",
        "'\\x4{{}}'",
        "'\\{{}}'",
        "'\\u{ {{}}}'",
        "'a\n{{}}'",
        "a = {}\n/{{}}/",
        "x = a{{}}",
        "<!-- {{}}",
        "x\n--> {{}}",
        "'\\0{{}}'",
        "x = ({a: [/[/]{{}}/]})",
    ] {
        assert!(refused(text, Sink::Script, "1"), "{text}: {:?}", render(text, Sink::Script, "1"));
    }
}

#[test]
fn scripts_with_divisions_templates_and_comments_are_followed() {
    for text in [
        "const a = b / c; const d = '{{}}'; // it's",
        "const r = /['\"`]/; x('{{}}')",
        "x = `a ${b + `c ${d}`} '`; y('{{}}')",
        "/* ' */ x('{{}}')",
        "if (a) { b() } x('{{}}')",
        "x = (a + b) / 2 + '{{}}' / 3",
        "x(a[0] / 2, '{{}}')",
        "// it's\nx('{{}}')",
        "x = `${ '{{}}' }`",
        "x = `a {{}} b`",
        "return typeof '{{}}'",
        "x = {a: '{{}}'}",
        "if (x) /a'b/.test(y); z('{{}}')",
        "const s = 'it\\'s'; x('{{}}')",
        "let o = {}; for (const k of l) { o[k] = 1 } x('{{}}')",
    ] {
        assert!(render(text, Sink::Script, "a'b").is_ok(), "{text}: {:?}", render(text, Sink::Script, "a'b"));
    }
}

#[test]
fn lists_and_objects_become_literals_without_a_prototype() {
    let value = json!({ "__proto__": { "a": 1 }, "b": [true, null, -1.5, "</script>"] });
    assert_eq!(
        render_from("Steps", "x = {{}};", Sink::Script, &value).unwrap(),
        "x =  {[\"__proto__\"]:{[\"a\"]:1},[\"b\"]:[true,null,-1.5,\"\\u003c/script\\u003e\"]} ;"
    );
}

#[test]
fn values_in_urls_become_one_part() {
    for value in HOSTILE {
        let url = render("https://a.example/x/{{}}/y?q={{}}#{{}}", Sink::Url, value).unwrap();
        let encoded: String =
            url.strip_prefix("https://a.example/x/").unwrap().split("/y?q=").next().unwrap().to_owned();
        assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{url}");
        assert_eq!(url, format!("https://a.example/x/{encoded}/y?q={encoded}#{encoded}"));
    }
    for value in [".", ".."] {
        assert!(refused("https://a/x/{{}}/y", Sink::Url, value));
        assert!(refused("https://a/x/{{}}", Sink::Url, value));
        assert!(render("https://a/x?y={{}}", Sink::Url, value).is_ok());
    }
    assert!(refused("https://a/{{}}{{}}/y", Sink::Url, "."), "two dots from two values");
}

#[test]
fn values_in_hosts_are_names_and_never_lead_to_the_machine_or_its_metadata() {
    assert_eq!(render("http://{{}}.shop:8080/health", Sink::Url, "web-0").unwrap(), "http://web-0.shop:8080/health");
    assert_eq!(render("https://{{}}/", Sink::Url, "shop.example").unwrap(), "https://shop.example/");
    for value in [
        "169.254.169.254",
        "metadata.google.internal",
        "metadata.google.internal.",
        "METADATA.google.internal",
        "2130706433",
        "0x7f.1",
        "127.1",
        "10.0.0.1",
        "localhost",
        "[::1]",
        "a/b",
        "a@b",
        "a:80",
        "a#b",
        "a?b",
        "",
        "-a",
        "a b",
        "a\\b",
        "a%2fb",
        "é.example",
        "a..b",
    ] {
        assert!(refused("http://{{}}/", Sink::Url, value), "{value}");
    }
    assert!(refused("http://{{}}.internal/", Sink::Url, "metadata.google"), "a part has no dots");
    assert!(refused("http://metadata.{{}}.internal/", Sink::Url, "google"), "the whole is looked at");
    assert!(refused("http://169.254.169.{{}}/", Sink::Url, "254"));
    assert!(refused("http://user:{{}}@host/", Sink::Url, "a"));
    assert!(refused("http://{{}}@host/", Sink::Url, "a"));
    assert!(refused("{{}}://host/", Sink::Url, "http"));
    assert!(refused("http://a:{{}}/", Sink::Url, "80@b"));
    assert_eq!(render("http://a:{{}}/", Sink::Url, "80").unwrap(), "http://a:80/");
}

#[test]
fn only_the_context_gives_whole_urls() {
    let url = json!("https://db.internal:5/health?x=1");
    for root in ["Config", "Service"] {
        assert_eq!(render_from(root, "{{}}", Sink::Url, &url).unwrap(), url.as_str().unwrap());
        assert_eq!(
            render_from(root, "{{}}/a/{{}}", Sink::Url, &json!("http://h")).unwrap(),
            "http://h/a/http%3A%2F%2Fh",
            "further on it is a part like any other"
        );
        assert!(render_from(root, "{{}}", Sink::Url, &json!("file:///etc/passwd")).is_err());
        assert!(render_from(root, "{{}}", Sink::Url, &json!("javascript:x")).is_err());
    }
    for root in ["Alert", "Vars", "Steps"] {
        assert!(render_from(root, "{{}}", Sink::Url, &url).is_err(), "{root}");
    }
}

#[test]
fn hosts_alone_are_names_or_harmless_addresses() {
    for value in ["db.internal", "203.0.113.7", "2001:db8::1", "db-1", "a_b.example"] {
        assert_eq!(render("{{}}", Sink::Host, value).unwrap(), value);
    }
    for value in [
        "169.254.169.254",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "metadata.google.internal",
        "127.1",
        "a b",
        "-oProxyCommand=x",
        "a;b",
        "",
        "a\0b",
        "224.0.0.1",
    ] {
        assert!(refused("{{}}", Sink::Host, value), "{value}");
    }
    assert!(
        render_from("Config", "{{}}", Sink::Host, &json!("127.0.0.1")).is_ok(),
        "the context may name the machine itself"
    );
}

#[test]
fn values_in_queries_stay_inside_their_string() {
    for value in HOSTILE {
        let query = render("{service=\"{{}}\"} |= \"error\"", Sink::Query, value).unwrap();
        let inner = query.strip_prefix("{service=\"").unwrap().strip_suffix("\"} |= \"error\"").unwrap();
        let decoded: String = serde_json::from_str(&format!("\"{inner}\"")).unwrap_or_else(|e| panic!("{query}: {e}"));
        assert_eq!(decoded, value, "the escapes here are those of JSON, too");
    }
    assert_eq!(render("{a='{{}}'}", Sink::Query, "it's").unwrap(), "{a='it\\'s'}");
    assert_eq!(
        render("{a=~\"{{}}.*\"}", Sink::Query, ".*").unwrap(),
        "{a=~\"\\\\.\\\\*.*\"}",
        "no pattern in a pattern"
    );
    assert_eq!(render("{a=\"x\"} |= `{{}}`", Sink::Query, "a\"b").unwrap(), "{a=\"x\"} |= `a\"b`");
    assert!(refused("{a=\"x\"} |= `{{}}`", Sink::Query, "a`b"));
    assert!(refused("{a={{}}}", Sink::Query, "x"));
    assert!(refused("rate(x[{{}}])", Sink::Query, "5m"), "an alert gives no durations");
    assert!(refused("up # {{}}", Sink::Query, "x"));
    assert!(refused("{a=\"\\u00{{}}\"}", Sink::Query, "41"));
    assert!(refused("{a=\"b\"} | line_format \"{{}}\"", Sink::Query, "{{ env }}"));
    for value in ["5m", "1h30m", "500ms"] {
        assert!(render_from("Vars", "rate(x[{{}}])", Sink::Query, &json!(value)).is_ok(), "{value}");
    }
    assert_eq!(render_from("Vars", "x > {{}}", Sink::Query, &json!(0.5)).unwrap(), "x > 0.5");
    assert!(render_from("Vars", "x > {{}}", Sink::Query, &json!("1 or vector(1)")).is_err());
}

#[test]
fn names_are_names() {
    for value in ["web-0", "Shop_1.example", "höhe", "a b"] {
        assert_eq!(render("{{}}", Sink::Name, value).unwrap(), value);
    }
    for value in
        ["", " ", "-a", "a/b", "..", ".", "a\\b", "a\nb", "a\0b", "a\u{202e}b", "a\u{200b}b", &"x".repeat(2000)]
    {
        assert!(refused("{{}}", Sink::Name, value), "{value:?}");
    }
}

#[test]
fn arguments_are_not_options_and_text_is_text() {
    assert!(refused("{{}}", Sink::Argument, "-rf"));
    assert_eq!(render("--name={{}}", Sink::Argument, "-rf").unwrap(), "--name=-rf");
    assert!(refused("{{}}", Sink::Argument, &"x".repeat(200_000)));
    for value in HOSTILE {
        assert_eq!(render("<{{}}>", Sink::Text, value).unwrap(), format!("<{value}>"));
        assert_eq!(render("={{}}", Sink::Argument, value).unwrap(), format!("={value}"));
    }
}

#[test]
fn nul_is_refused_everywhere() {
    for (text, sink) in [
        ("{{}}", Sink::Text),
        ("{{}}", Sink::Json),
        ("a{{}}", Sink::Json),
        ("{{}}", Sink::Name),
        ("a={{}}", Sink::Argument),
        ("\"{{}}\"", Sink::Shell),
        ("{{}}", Sink::Host),
        ("http://a/{{}}", Sink::Url),
        ("'{{}}'", Sink::Script),
        ("\"{{}}\"", Sink::Query),
    ] {
        assert!(refused(text, sink, "a\0b"), "{sink:?}");
    }
}

proptest! {
    #[test]
    fn any_text_survives_a_script_literal(value in "[^\0]*") {
        let script = render("x('{{}}')", Sink::Script, &value).unwrap();
        prop_assert_eq!(decode(&script, "x(", '\'', ")"), value);
    }

    #[test]
    fn no_script_text_makes_the_lexer_panic(text in "[-'\"`/*(){}$\\\\a<!>+\n ]{0,60}", value in any::<String>()) {
        render(&format!("{text}{{{{}}}}{text}"), Sink::Script, &value).ok();
        render(&format!("{text}{{{{}}}}{text}"), Sink::Query, &value).ok();
    }

    #[test]
    fn no_shell_text_makes_the_lexer_panic(text in "[-'\"`/*(){}$\\\\a<!>+\n ;&|#=]{0,60}", value in any::<String>()) {
        let root = json!({ "Alert": { "x": value } });
        let variables = BTreeSet::new();
        let scope = Scope { root: &root, variables: &variables };
        let text = text.replace("{{", "{ ");
        render_value(&format!("{text}{{{{ .Alert.x }}}}{text}"), Sink::Shell, &scope).ok();
    }
}

#[test]
fn a_list_of_names_is_as_strict_as_each_of_them() {
    let of = |value: Value| {
        let root = json!({ "Steps": { "x": value } });
        let variables = BTreeSet::new();
        render_value("{{ .Steps.x }}", Sink::Name, &Scope { root: &root, variables: &variables })
    };
    let whole = json!([{ "type": "pod", "name": "web", "number": 3, "on": true, "none": null }, "plain"]);
    assert_eq!(of(whole.clone()).unwrap(), whole);
    for bad in ["../x", "-x", "", "a/b", "a\nb", ".."] {
        assert!(of(json!([{ "name": "web" }, { "name": bad }])).is_err(), "{bad:?}");
        assert!(of(json!([[bad]])).is_err(), "{bad:?}");
    }
    assert!(of(json!([{ "$secret": "x" }])).is_err(), "data names no secret");
}
