//! Reduces an English word to a stem: `evicted`, `evicts` and `eviction` become `evict`.
//!
//! Lighter than Porter's algorithm on purpose: it takes off what inflects a word and a few endings that make a noun of a
//! verb, and leaves `operator` apart from `operation`. A stem is a key, not a word that anybody sees. Words with anything
//! but ASCII letters are left as they are.

/// Shorter stems say too little.
const SHORTEST: usize = 4;

/// Returns the stem of a word in lower case.
pub(crate) fn stem(word: &str) -> String {
    if word.len() < SHORTEST || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let singular = singular(word);
    let bare = without_participle(&singular);
    without_ending(&bare)
}

fn singular(word: &str) -> String {
    if let Some(rest) = word.strip_suffix("ies")
        && rest.len() >= 2
    {
        return format!("{rest}y");
    }
    if let Some(rest) = word.strip_suffix("es")
        && ["sh", "ch", "x", "ss", "zz"].iter().any(|end| rest.ends_with(end))
    {
        return rest.to_owned();
    }
    match word.strip_suffix('s') {
        Some(rest) if rest.len() >= 3 && !["s", "u", "i"].iter().any(|end| rest.ends_with(end)) => rest.to_owned(),
        Some(_) | None => word.to_owned(),
    }
}

fn without_participle(word: &str) -> String {
    for ending in ["ing", "ed"] {
        if let Some(rest) = word.strip_suffix(ending)
            && rest.len() >= 3
            && rest.bytes().any(is_vowel)
        {
            // `migrating` comes from `migrate`, `formatting` from `format`.
            let bare = rest.strip_suffix("at").filter(|bare| bare.len() >= SHORTEST);
            return bare.unwrap_or(undoubled(rest)).to_owned();
        }
    }
    word.to_owned()
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

fn without_ending(word: &str) -> String {
    if let Some(rest) = word.strip_suffix("iness").filter(|rest| rest.len() >= 3) {
        return format!("{rest}y");
    }
    let cut = |ending: &str, least: usize| word.strip_suffix(ending).filter(|rest| rest.len() >= least);
    for (ending, least) in [("ation", SHORTEST), ("ition", 5), ("ate", SHORTEST), ("ion", SHORTEST)] {
        if let Some(rest) = cut(ending, least) {
            return rest.to_owned();
        }
    }
    for (ending, least) in [("ment", SHORTEST), ("ure", SHORTEST), ("ness", SHORTEST), ("er", SHORTEST + 1)] {
        if let Some(rest) = cut(ending, least) {
            return undoubled(rest).to_owned();
        }
    }
    for (ending, least) in [("ly", SHORTEST), ("y", 5), ("e", SHORTEST)] {
        // The `y` of `deploy` is no ending.
        if let Some(rest) =
            cut(ending, least).filter(|rest| ending != "y" || !rest.bytes().next_back().is_some_and(is_vowel))
        {
            return rest.to_owned();
        }
    }
    word.to_owned()
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
