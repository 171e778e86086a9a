//! Names from text: of runbooks, steps and inputs, and short titles.

/// The longest name of a runbook: a DNS label.
const LONGEST_NAME: usize = 63;
/// The longest name of a step; names are typed.
const LONGEST_STEP: usize = 40;
/// The longest title of a step, in characters.
const LONGEST_TITLE: usize = 76;

/// Splits an identifier or a phrase into lower-case words: `KubeAPIDown` is `kube`, `api`, `down`.
pub(super) fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (index, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            push(&mut words, &mut word);
            continue;
        }
        let before = index.checked_sub(1).and_then(|index| chars.get(index)).copied().unwrap_or(' ');
        let after = chars.get(index + 1).copied().unwrap_or(' ');
        let starts = c.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || (before.is_ascii_digit() && after.is_ascii_lowercase())
                || (before.is_ascii_uppercase() && after.is_ascii_lowercase() && !plural(&chars, index)));
        if starts {
            push(&mut words, &mut word);
        }
        word.push(c.to_ascii_lowercase());
    }
    push(&mut words, &mut word);
    words
}

/// Whether a lower-case `s` ends a run of capitals: `PVCs` is one word.
fn plural(chars: &[char], index: usize) -> bool {
    chars.get(index + 1) == Some(&'s') && chars.get(index + 2).is_none_or(|c| !c.is_ascii_lowercase())
}

fn push(words: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

/// Joins as many words as fit.
fn joined(words: &[String], separator: char, longest: usize) -> String {
    let mut name = String::new();
    for word in words {
        if !name.is_empty() && name.len() + 1 + word.len() > longest {
            break;
        }
        if !name.is_empty() {
            name.push(separator);
        }
        name.extend(word.chars().take(longest));
    }
    name
}

/// A runbook's name: a DNS label.
pub fn runbook_name(text: &str) -> Option<String> {
    let name = joined(&words(text), '-', LONGEST_NAME);
    (!name.is_empty()).then_some(name)
}

/// A step's name, that is none of the format's words.
pub(super) fn step_name(text: &str) -> String {
    let name = joined(&words(text), '-', LONGEST_STEP);
    match name.as_str() {
        "" => "step".to_owned(),
        "end" | "stop" | "escalate" | "rollback" => format!("{name}-it"),
        _ => name,
    }
}

/// An input's name: snake case, without the words that only say that it is a placeholder.
pub(super) fn input_name(text: &str) -> Option<String> {
    let mut words = words(text);
    while words.len() > 1 && words.first().is_some_and(|word| matches!(word.as_str(), "my" | "your" | "the" | "a")) {
        words.remove(0);
    }
    // `name_of_pod` and `name of the pod` are what others call `pod_name`.
    if words.len() > 2 && words.starts_with(&["name".to_owned(), "of".to_owned()]) {
        words.drain(..2);
        while words.len() > 1 && words.first().is_some_and(|word| matches!(word.as_str(), "my" | "your" | "the" | "a"))
        {
            words.remove(0);
        }
        words.push("name".to_owned());
    }
    if words.first().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        words.insert(0, "value".to_owned());
    }
    let name = joined(&words, '_', LONGEST_STEP);
    (!name.is_empty()).then_some(name)
}

/// Whether a word is written like the name of an alert: `KubePodCrashLooping`, `etcdNoLeader`.
pub(super) fn is_camel(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric());
    let lower = word.chars().any(|c| c.is_ascii_lowercase());
    plain && lower && word.starts_with(|c: char| c.is_ascii_alphabetic()) && words(word).len() >= 2 && has_hump(word)
}

fn has_hump(word: &str) -> bool {
    word.chars().zip(word.chars().skip(1)).any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase())
        || word.chars().filter(char::is_ascii_uppercase).count() >= 3
}

/// Words of a camel-case name for people: `Kube pod crash looping` keeps its capitals where they are an acronym.
pub(super) fn spoken(name: &str) -> String {
    name.split(['-', '_', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A heading and a title as one title.
pub(super) fn prefixed(prefix: &str, title: &str) -> String {
    let room = LONGEST_TITLE.saturating_sub(prefix.chars().count() + 2).max(LONGEST_STEP);
    format!("{prefix}: {}", cut(title, room))
}

/// A title made of a text: one line, without the punctuation at its end, and cut between words.
pub(super) fn title(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches([':', '.', ',', ';', ' ', '-', '–', '—']).trim();
    cut(line, LONGEST_TITLE)
}

/// A line cut between words.
fn cut(line: &str, longest: usize) -> String {
    if line.chars().count() <= longest {
        return line.to_owned();
    }
    let mut short = String::new();
    for word in line.split(' ') {
        if short.chars().count() + word.chars().count() + 2 > longest {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    if short.is_empty() {
        short = line.chars().take(longest - 1).collect();
    }
    format!("{}…", short.trim_end_matches([':', '.', ',', ';', ' ', '-', '–', '—']))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("KubePodCrashLooping", "kube-pod-crash-looping")]
    #[case("CPUThrottlingHigh", "cpu-throttling-high")]
    #[case("etcdGRPCRequestsSlow", "etcd-grpc-requests-slow")]
    #[case("AlertmanagerClusterFailedToSendAlerts", "alertmanager-cluster-failed-to-send-alerts")]
    #[case("My runbook (v2)", "my-runbook-v2")]
    #[case("PrometheusTSDBReloadsFailing", "prometheus-tsdb-reloads-failing")]
    fn a_runbook_is_named_after_its_file(#[case] stem: &str, #[case] name: &str) {
        assert_eq!(runbook_name(stem).as_deref(), Some(name));
    }

    #[test]
    fn a_name_without_letters_is_none() {
        assert_eq!(runbook_name("…"), None);
        assert_eq!(step_name("…"), "step");
        assert_eq!(step_name("Rollback"), "rollback-it");
        assert!(runbook_name(&"Word".repeat(60)).is_some_and(|name| name.len() <= 63 && !name.ends_with('-')));
    }

    #[rstest]
    #[case("POD_NAME", "pod_name")]
    #[case("my-namespace", "namespace")]
    #[case("name_of_pod", "pod_name")]
    #[case("YOUR_CLUSTER", "cluster")]
    #[case("PodName", "pod_name")]
    #[case("2 nodes", "value_2_nodes")]
    fn an_input_is_snake_case(#[case] written: &str, #[case] name: &str) {
        assert_eq!(input_name(written).as_deref(), Some(name));
    }

    #[test]
    fn alerts_are_written_in_camel_case() {
        for alert in ["KubePodCrashLooping", "etcdNoLeader", "CPUThrottlingHigh", "TargetDown"] {
            assert!(is_camel(alert), "{alert} is one");
        }
        for word in ["README", "index", "pod-restart", "Watchdog", "KUBE", "High Latency"] {
            assert!(!is_camel(word), "{word} is none");
        }
    }

    #[test]
    fn a_title_is_cut_between_words() {
        assert_eq!(title("To resize the\nvolume run:"), "To resize the volume run");
        let long = title(&"word ".repeat(40));
        assert!(long.ends_with("word…") && long.chars().count() <= LONGEST_TITLE, "{long}");
    }
}
