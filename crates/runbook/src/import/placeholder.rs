//! Placeholders of other tools and habits, turned into inputs: `<pod>`, `$NAMESPACE`, `${POD}`, `{{ node }}`,
//! `YOUR_CLUSTER`, `POD_NAME`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use serde_json::Value;

use super::naming::input_name;
use crate::model::{InputKind, InputSpec};

/// The longest placeholder, in characters.
const LONGEST: usize = 100;

/// The inputs that placeholders of a text become.
#[derive(Debug, Clone, Default)]
pub(super) struct Inputs {
    found: IndexMap<String, Found>,
}

#[derive(Debug, Clone, Default)]
struct Found {
    /// How they are written.
    written: BTreeSet<String>,
    /// The alert's label that has the value.
    label: Option<String>,
    default: Option<String>,
}

/// Labels that alerts carry under the name that people use.
const LABELS: &[(&str, &str)] = &[
    ("cluster", "cluster"),
    ("container", "container"),
    ("cronjob", "cronjob"),
    ("daemonset", "daemonset"),
    ("deployment", "deployment"),
    ("device", "device"),
    ("instance", "instance"),
    ("job", "job"),
    ("job_name", "job_name"),
    ("mount_point", "mountpoint"),
    ("mountpoint", "mountpoint"),
    ("namespace", "namespace"),
    ("node", "node"),
    ("persistentvolume", "persistentvolume"),
    ("persistentvolumeclaim", "persistentvolumeclaim"),
    ("pod", "pod"),
    ("pod_name", "pod"),
    ("pvc", "persistentvolumeclaim"),
    ("service", "service"),
    ("statefulset", "statefulset"),
];

/// Variables that a shell or its surroundings have anyway.
const ENVIRONMENT: &[&str] = &[
    "HOME",
    "PATH",
    "USER",
    "PWD",
    "OLDPWD",
    "SHELL",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "KUBECONFIG",
    "TERM",
    "LANG",
    "TMPDIR",
    "UID",
    "EUID",
    "RANDOM",
    "SECONDS",
    "LINENO",
    "PPID",
    "IFS",
    "LOGNAME",
    "DISPLAY",
    "HOSTNAME",
    "REPLY",
    "OPTARG",
    "OPTIND",
    "MACHTYPE",
    "OSTYPE",
    "DEBIAN_FRONTEND",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "GOPATH",
    "JAVA_HOME",
];

static ALERT_LABEL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:the\s+)?(?:value\s+of\s+)?(?:the\s+)?['`]?(\w+)['`]?\s+label(?:\s+(?:of|from|in)\s+(?:the\s+)?alert)?$")
        .expect("a constant pattern that a test uses")
});
static LABEL_TEMPLATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:\$labels|\.Labels|\.CommonLabels|\.GroupLabels|\.Alert\.Labels)\.([A-Za-z_]\w*)$")
        .expect("a constant pattern that a test uses")
});
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)(?:^|[\s;&|(])(?:export\s+|local\s+|readonly\s+|declare\s+(?:-\w+\s+)*)?([A-Za-z_]\w*)=|\bfor\s+([A-Za-z_]\w*)\s+in\b|\bread\s+(?:-\w+\s+)*([A-Za-z_]\w*)")
        .expect("a constant pattern that a test uses")
});
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)^\s*(?:export\s+)?([A-Za-z_]\w*)=(?:'([^'$`<]*)'|"([^"$`<]*)"|([\w./:@-]+))\s*$"#)
        .expect("a constant pattern that a test uses")
});
static ELEMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"</([^<>\n]{1,80})>").expect("a constant pattern that a test uses"));
/// Words in capitals that are to be replaced: with a word that says so, or named like a thing.
static CAPITALS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?:(?:YOUR|MY|TARGET|SOME|NEW|OLD)_[A-Z0-9_]*[A-Z0-9]|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:NAME|NAMESPACE|ID|IP|HOST|PORT|URL|URI|PATH|FILE|DIR|NODE|POD|CONTAINER|ARN|REGION|ZONE|BUCKET|CLUSTER|VERSION|TAG|KEY|TOKEN|PASSWORD|SECRET|ADDRESS|USER|NUMBER|COUNT|PID|SERVICE|DEPLOYMENT|DATABASE|DB|TABLE|TOPIC|QUEUE|GROUP|INSTANCE|VOLUME|IMAGE|REVISION)|NAMESPACE|POD|NODE|CONTAINER|DEPLOYMENT|STATEFULSET|DAEMONSET|SERVICE|HOST|CLUSTER|INSTANCE|PVC|PODNAME|NODENAME)$",
    )
    .expect("a constant pattern that a test uses")
});

impl Inputs {
    /// Notes which variables a script sets to which plain values: a later block may use them.
    pub(super) fn assigned_in(script: &str) -> BTreeMap<String, String> {
        LITERAL
            .captures_iter(script)
            .filter_map(|found| {
                let value = found.get(2).or(found.get(3)).or(found.get(4))?;
                Some((found.get(1)?.as_str().to_owned(), value.as_str().to_owned()))
            })
            .collect()
    }

    /// Writes placeholders the way a runbook has them, `{name}`; what a script sets itself stays the shell's.
    pub(super) fn rewrite(&mut self, script: &str, earlier: &BTreeMap<String, String>) -> String {
        let own: BTreeSet<&str> = ASSIGNED
            .captures_iter(script)
            .filter_map(|found| found.get(1).or(found.get(2)).or(found.get(3)))
            .map(|found| found.as_str())
            .collect();
        let elements =
            ELEMENT.captures_iter(script).filter_map(|found| found.get(1)).map(|name| name.as_str()).collect();
        Scanner { text: script, at: 0, out: String::new(), own, elements, earlier, inputs: self }.run()
    }

    fn add(&mut self, name: String, written: &str, label: Option<String>, default: Option<String>) {
        let found = self.found.entry(name).or_default();
        found.written.insert(written.to_owned());
        if found.label.is_none() {
            found.label = label;
        }
        if found.default.is_none() {
            found.default = default;
        }
    }

    /// The names.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.found.keys().cloned().collect()
    }

    /// The declarations of those inputs that are used; where an alert starts the runbook, its labels are defaults.
    pub(super) fn declared(&self, used: &BTreeSet<String>, has_alert: bool) -> IndexMap<String, InputSpec> {
        self.found
            .iter()
            .filter(|(name, _)| used.contains(*name))
            .map(|(name, found)| (name.clone(), found.spec(name, has_alert)))
            .collect()
    }
}

impl Found {
    fn spec(&self, name: &str, has_alert: bool) -> InputSpec {
        let kind = kind(name);
        let label = self.label.clone().or_else(|| {
            let known = LABELS.iter().find(|(known, _)| *known == name).map(|(_, label)| (*label).to_owned());
            known.filter(|_| has_alert)
        });
        let default = match (&self.default, label) {
            (Some(default), _) => Some(default.clone()),
            (None, Some(label)) => Some(format!("{{{{ .Alert.Labels.{label} }}}}")),
            (None, None) => None,
        };
        let written: Vec<String> = self.written.iter().map(|written| format!("`{written}`")).collect();
        InputSpec {
            kind,
            description: Some(format!("{} in the imported text", written.join(" and "))),
            default: default.filter(|_| kind == InputKind::String).map(Value::String),
            options: Vec::new(),
            pattern: None,
            // Commands of manual steps are shown, so a run need not stop for a value that nobody has.
            required: false,
        }
    }
}

fn kind(name: &str) -> InputKind {
    let last = name.rsplit('_').next().unwrap_or(name);
    match last {
        "port" | "replicas" | "count" | "pid" | "seconds" | "minutes" => InputKind::Integer,
        "password" | "passwd" | "token" | "secret" | "apikey" => InputKind::Secret,
        "key" if name.ends_with("api_key") || name.ends_with("access_key") || name.ends_with("secret_key") => {
            InputKind::Secret
        }
        _ => InputKind::String,
    }
}

struct Scanner<'s> {
    text: &'s str,
    at: usize,
    out: String,
    /// Variables that the script sets.
    own: BTreeSet<&'s str>,
    /// Names of elements that are closed, so that their tags are none.
    elements: BTreeSet<&'s str>,
    earlier: &'s BTreeMap<String, String>,
    inputs: &'s mut Inputs,
}

impl Scanner<'_> {
    fn run(mut self) -> String {
        let mut quote: Option<char> = None;
        let mut before = '\n';
        while let Some(c) = self.rest().chars().next() {
            let taken = match (quote, c) {
                (None | Some('"'), '\\') => {
                    let escaped = self.rest().chars().nth(1);
                    self.copy(1 + escaped.map_or(0, char::len_utf8));
                    before = escaped.unwrap_or(c);
                    continue;
                }
                // What a comment says is for people.
                (None, '#') if before.is_whitespace() => {
                    let end = self.rest().find('\n').unwrap_or(self.rest().len());
                    self.copy(end);
                    continue;
                }
                (None, '\'' | '"') => {
                    quote = Some(c);
                    None
                }
                (Some(open), c) if open == c => {
                    quote = None;
                    None
                }
                (_, '<') => self.angle(before),
                (None | Some('"'), '$') => self.variable(),
                (_, '{') if self.rest().starts_with("{{") => self.template(),
                (None | Some('"'), '{') if before != '$' => self.brace(),
                (None, '[') if before.is_whitespace() => self.bracket(),
                (None | Some('"'), c) if c.is_ascii_uppercase() && !is_word(before) => self.capitals(before),
                // In single quotes stands what some other program reads, so the word has to say that it is none.
                (Some(_), 'Y') if self.rest().starts_with("YOUR_") && !is_word(before) => self.capitals(before),
                _ => None,
            };
            if let Some((length, name)) = taken {
                self.at += length;
                self.out.push('{');
                self.out.push_str(&name);
                self.out.push('}');
                before = '}';
            } else {
                self.copy(c.len_utf8());
                before = c;
            }
        }
        self.out
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// As much of the rest as a placeholder may be long.
    fn window(&self) -> &str {
        let rest = self.rest();
        let end = rest.char_indices().nth(LONGEST).map_or(rest.len(), |(at, _)| at);
        rest.get(..end).unwrap_or_default()
    }

    fn copy(&mut self, length: usize) {
        let end = (self.at + length).min(self.text.len());
        self.out.push_str(self.text.get(self.at..end).unwrap_or_default());
        self.at = end;
    }

    /// `<pod>`, but no redirection, here-document or element.
    fn angle(&mut self, before: char) -> Option<(usize, String)> {
        let rest = self.window();
        let end = rest.find(['>', '\n', '|', ';', '&'])?;
        let inside = rest.get(1..end)?;
        let plain = inside.starts_with(|c: char| c.is_ascii_alphabetic())
            && !inside.ends_with(' ')
            && inside.len() <= 80
            && inside.chars().all(|c| c.is_ascii_alphanumeric() || " _.-/:'`".contains(c));
        let element = self.elements.contains(inside);
        if rest.as_bytes().get(end) != Some(&b'>') || !plain || element || before == '<' {
            return None;
        }
        let label = ALERT_LABEL.captures(inside).and_then(|found| found.get(1)).map(|found| found.as_str().to_owned());
        let name = input_name(label.as_deref().unwrap_or(inside))?;
        let written = rest.get(..=end)?.to_owned();
        self.inputs.add(name.clone(), &written, label, None);
        Some((end + 1, name))
    }

    /// `$NAMESPACE` and `${POD}`, unless the script sets it or a shell always has it.
    fn variable(&mut self) -> Option<(usize, String)> {
        let rest = self.window();
        let (inside, length) = if let Some(inside) = rest.strip_prefix("${") {
            let end = inside.find('}')?;
            (inside.get(..end)?, end + 3)
        } else {
            let inside = rest.get(1..)?;
            let end = inside.find(|c: char| !is_word(c)).unwrap_or(inside.len());
            (inside.get(..end)?, end + 1)
        };
        let is_name = inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && inside.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let known = ENVIRONMENT.contains(&inside)
            || ["AWS_", "BASH", "SSH_", "XDG_", "LC_"].iter().any(|p| inside.starts_with(p));
        if !is_name || known || self.own.contains(inside) {
            return None;
        }
        let name = input_name(inside)?;
        let written = rest.get(..length)?.to_owned();
        let default = self.earlier.get(inside).filter(|value| !value.is_empty()).cloned();
        self.inputs.add(name.clone(), &written, None, default);
        Some((length, name))
    }

    /// `{{ node }}` and `{{ $labels.pod }}`; any other expression is somebody else's.
    fn template(&mut self) -> Option<(usize, String)> {
        let rest = self.window();
        let end = rest.find("}}")?;
        let inside = rest.get(2..end)?.trim();
        let label =
            LABEL_TEMPLATE.captures(inside).and_then(|found| found.get(1)).map(|found| found.as_str().to_owned());
        let word = inside.starts_with(|c: char| c.is_ascii_alphabetic())
            && inside.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            && !matches!(
                inside,
                "end" | "else" | "range" | "if" | "with" | "define" | "block" | "template" | "println"
            );
        if label.is_none() && !word {
            return None;
        }
        let name = input_name(label.as_deref().unwrap_or(inside))?;
        let written = rest.get(..end + 2)?.to_owned();
        self.inputs.add(name.clone(), &written, label, None);
        Some((end + 2, name))
    }

    /// `{pod}`, which is how a runbook writes it already.
    fn brace(&mut self) -> Option<(usize, String)> {
        let rest = self.window();
        let end = rest.find('}')?;
        let inside = rest.get(1..end)?;
        let word = inside.starts_with(|c: char| c.is_ascii_alphabetic())
            && inside.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !word {
            return None;
        }
        let name = input_name(inside)?;
        let written = rest.get(..=end)?.to_owned();
        self.inputs.add(name.clone(), &written, None, None);
        Some((end + 1, name))
    }

    /// `[PROJECT_ID]`.
    fn bracket(&mut self) -> Option<(usize, String)> {
        let rest = self.window();
        let end = rest.find(']')?;
        let inside = rest.get(1..end)?;
        let capitals = inside.len() > 2
            && inside.starts_with(|c: char| c.is_ascii_uppercase())
            && inside.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
        if !capitals {
            return None;
        }
        let name = input_name(inside)?;
        let written = rest.get(..=end)?.to_owned();
        self.inputs.add(name.clone(), &written, None, None);
        Some((end + 1, name))
    }

    fn capitals(&mut self, before: char) -> Option<(usize, String)> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let word = rest.get(..end)?;
        let after = rest.get(end..)?.chars().next().unwrap_or(' ');
        // An assignment's name, an option and a variable's name are no placeholders, and prose in quotes is none either.
        let assigned = after == '=' && (before.is_whitespace() || before == ';');
        let part = matches!(before, '$' | '{' | '-' | '.' | '%' | '<') || matches!(after, '-' | '(' | '.');
        if assigned || part || !CAPITALS.is_match(word) || self.own.contains(word) {
            return None;
        }
        let name = input_name(word)?;
        let written = word.to_owned();
        self.inputs.add(name.clone(), &written, None, None);
        Some((end, name))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kubectl -n <my-namespace> get pvc <my-pvc>", "kubectl -n {namespace} get pvc {pvc}")]
    #[case(
        "kubectl -n $NAMESPACE logs ${POD} -c \"$CONTAINER\"",
        "kubectl -n {namespace} logs {pod} -c \"{container}\""
    )]
    #[case("helm rollback {{ release }} -n YOUR_NAMESPACE", "helm rollback {release} -n {namespace}")]
    #[case("kubectl delete pod POD_NAME", "kubectl delete pod {pod_name}")]
    #[case("kubectl describe pod {{ $labels.pod }}", "kubectl describe pod {pod}")]
    #[case("gcloud config set project [PROJECT_ID]", "gcloud config set project {project_id}")]
    #[case("NS=x; kubectl -n $NS get pods", "NS=x; kubectl -n $NS get pods")]
    #[case("for p in a b; do echo $p; done", "for p in a b; do echo $p; done")]
    #[case("sort <in >out", "sort <in >out")]
    #[case("cat <<EOF > x\nhi\nEOF", "cat <<EOF > x\nhi\nEOF")]
    #[case("awk '{ print $2 }' x | grep '$NAME'", "awk '{ print $2 }' x | grep '$NAME'")]
    #[case("ls $HOME ${PATH} $1 $? \\$NAMESPACE", "ls $HOME ${PATH} $1 $? \\$NAMESPACE")]
    #[case("docker ps --format '{{.Names}}'", "docker ps --format '{{.Names}}'")]
    #[case("kubectl get pods -o jsonpath='{.items[*]}'", "kubectl get pods -o jsonpath='{.items[*]}'")]
    #[case("curl -d '<a>x</a>' http://h", "curl -d '<a>x</a>' http://h")]
    #[case("echo ok # replace <pod>", "echo ok # replace <pod>")]
    #[case("POD_NAME=x run", "POD_NAME=x run")]
    #[case("echo \"${X:-default}\"", "echo \"${X:-default}\"")]
    fn placeholders_become_inputs(#[case] written: &str, #[case] expected: &str) {
        assert_eq!(Inputs::default().rewrite(written, &BTreeMap::new()), expected);
    }

    #[test]
    fn an_input_says_how_it_was_written_and_takes_the_alerts_label() {
        let mut inputs = Inputs::default();
        inputs.rewrite("oc debug node/<value of instance label from alert> --port <PORT>", &BTreeMap::new());
        inputs.rewrite("kubectl -n $NS get pods $POD", &BTreeMap::from([("NS".to_owned(), "kube-etcd".to_owned())]));
        let declared = inputs.declared(&inputs.names(), true);
        let default = |name: &str| declared.get(name).and_then(|spec| spec.default.clone());
        assert_eq!(default("instance"), Some(Value::from("{{ .Alert.Labels.instance }}")));
        assert_eq!(default("ns"), Some(Value::from("kube-etcd")), "an earlier block said what it is");
        assert_eq!(default("pod"), Some(Value::from("{{ .Alert.Labels.pod }}")));
        assert_eq!(declared.get("port").map(|spec| spec.kind), Some(InputKind::Integer));
        let described = declared.get("instance").and_then(|spec| spec.description.clone());
        assert_eq!(described.as_deref(), Some("`<value of instance label from alert>` in the imported text"));
    }
}
