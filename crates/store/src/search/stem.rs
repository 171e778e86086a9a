//! Reduces an English word to a stem: `evicted`, `evicts` and `eviction` become `evict`.
//!
//! Lighter than Porter's algorithm on purpose: it takes off what inflects a word and a few endings that make a noun of a
//! verb, and leaves `operator` apart from `operation`. A stem is a key, not a word that anybody sees. Words with anything
//! but ASCII letters are left as they are.

/// Shorter stems say too little.
const SHORTEST: usize = 4;

/// Returns the stem of a word in lower case.
pub(crate) fn stem(word: &str) -> String {
    let mut stem = word.to_owned();
    reduce(&mut stem);
    stem
}

/// Reduces a word in lower case to its stem.
pub(crate) fn reduce(word: &mut String) {
    if word.len() < SHORTEST || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return;
    }
    singular(word);
    without_participle(word);
    without_ending(word);
}

fn singular(word: &mut String) {
    let cut = |ending: &str| word.strip_suffix(ending);
    if cut("ies").is_some_and(|rest| rest.len() >= 2) {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if cut("es").is_some_and(|rest| ["sh", "ch", "x", "ss", "zz"].iter().any(|end| rest.ends_with(end))) {
        word.truncate(word.len() - 2);
    } else if cut("s").is_some_and(|rest| rest.len() >= 3 && !rest.ends_with(['s', 'u', 'i'])) {
        word.truncate(word.len() - 1);
    }
}

fn without_participle(word: &mut String) {
    for ending in ["ing", "ed"] {
        let Some(rest) = word.strip_suffix(ending) else { continue };
        if rest.len() >= 3 && rest.bytes().any(is_vowel) {
            // `migrating` comes from `migrate`, `formatting` from `format`.
            let bare = rest.strip_suffix("at").filter(|bare| bare.len() >= SHORTEST);
            let length = bare.unwrap_or(undoubled(rest)).len();
            word.truncate(length);
            return;
        }
    }
}

fn is_vowel(byte: u8) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// `stopp` → `stop`; `fill` and `miss` stay.
fn undoubled(word: &str) -> &str {
    let bytes = word.as_bytes();
    match bytes {
        [.., before, last] if before == last && !is_vowel(*last) && !matches!(last, b'l' | b's' | b'z') => {
            &word[..word.len() - 1]
        }
        _ => word,
    }
}

fn without_ending(word: &mut String) {
    if word.strip_suffix("iness").is_some_and(|rest| rest.len() >= 3) {
        word.truncate(word.len() - 5);
        word.push('y');
        return;
    }
    for (ending, least) in [
        ("ation", SHORTEST),
        ("ition", 5),
        ("ate", SHORTEST),
        ("ion", SHORTEST),
        ("ment", SHORTEST),
        ("ure", SHORTEST),
        ("ness", SHORTEST),
        ("er", SHORTEST + 1),
        ("ly", SHORTEST),
        ("y", 5),
        ("e", SHORTEST),
    ] {
        let Some(rest) = word.strip_suffix(ending).filter(|rest| rest.len() >= least) else { continue };
        // The `y` of `deploy` is no ending.
        if ending == "y" && rest.bytes().next_back().is_some_and(is_vowel) {
            continue;
        }
        let length = if ending == "er" { undoubled(rest).len() } else { rest.len() };
        word.truncate(length);
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for forms in [
            &["evict", "evicted", "evicts", "evicting", "eviction", "evictions"][..],
            &["expire", "expired", "expires", "expiring", "expiration", "expiry"],
            &["crash", "crashes", "crashed", "crashing"],
            &["loop", "loops", "looping"],
            &["throttle", "throttled", "throttling"],
            &["fail", "failed", "fails", "failing", "failure", "failures"],
            &["migrate", "migrating", "migration"],
            &["rotate", "rotated", "rotation"],
            &["ready", "readiness"],
            &["retry", "retries", "retrying"],
            &["node", "nodes"],
            &["schedule", "scheduled", "scheduling", "scheduler"],
            &["stop", "stopped", "stopping"],
            &["fill", "filling", "filled"],
            &["cache", "caches", "cached", "caching"],
            &["deploy", "deployed", "deployment", "deployments"],
            &["saturate", "saturated", "saturation"],
        ] {
            let stems: std::collections::BTreeSet<_> = forms.iter().map(|form| stem(form)).collect();
            assert_eq!(stems.len(), 1, "{forms:?} give {stems:?}");
        }
    }

    #[test]
    fn what_only_looks_like_a_form_keeps_its_own_stem() {
        for (one, other) in [("operator", "operation"), ("status", "state"), ("user", "use"), ("read", "ready")] {
            assert_ne!(stem(one), stem(other));
        }
        for whole in ["dns", "oom", "größe", "p99", "bus", "gas", "es", "s"] {
            assert_eq!(stem(whole), whole);
        }
    }
}
