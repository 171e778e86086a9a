//! Names of environments, as people write them: `production`, `prod-eu`, `eu.live`, `prd_1`.

/// The words for production; each means the same.
const PRODUCTION: [&str; 4] = ["production", "prod", "prd", "live"];

/// Whether an environment is production: a word of its name says so. Words end at `-`, `_`, `.`, `/` and blanks.
pub fn is_production(environment: &str) -> bool {
    words(environment).any(|word| PRODUCTION.iter().any(|name| name.eq_ignore_ascii_case(word)))
}

/// Whether a name in a rule means an environment: it is its name or a word of it, or both are production. A rule only
/// ever asks for more, so a name that means too much is safe and one that means too little is not.
pub(super) fn means(name: &str, environment: &str) -> bool {
    name.eq_ignore_ascii_case(environment)
        || words(environment).any(|word| word.eq_ignore_ascii_case(name))
        || (PRODUCTION.iter().any(|word| word.eq_ignore_ascii_case(name)) && is_production(environment))
}

fn words(environment: &str) -> impl Iterator<Item = &str> {
    environment.split(|end: char| "-_./".contains(end) || end.is_whitespace()).filter(|word| !word.is_empty())
}
