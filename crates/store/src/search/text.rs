//! Splits text into words, the same way for documents and for what is typed.
//!
//! `KubePodCrashLooping` is one word and four: its parts follow each other in the sequence, and the whole and its
//! neighbouring pairs (`podcrash`, `crashlooping`) are compounds beside them. So are `back-off` and `back_off`.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer words are no words; what lies beyond is cut off, in documents and in queries alike.
const LONGEST_WORD: usize = 64;
/// So much of a name is compared.
const LONGEST_NAME: usize = 256;
/// Longer chains of parts, such as a path in camel case, have pairs but no whole.
const LONGEST_CHAIN: usize = 8;

/// A word of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Word<'a> {
    /// In lower case, without accents.
    pub(crate) text: Cow<'a, str>,
    /// Where it stands in the text.
    pub(crate) at: Range<usize>,
}

/// Neighbours as one word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Compound {
    /// In lower case, without accents and what stands between the words.
    pub(crate) text: String,
    /// Where they stand in the text.
    pub(crate) at: Range<usize>,
    /// Which words of the sequence they are.
    pub(crate) words: Range<usize>,
    /// Whether the text writes exactly these as one.
    pub(crate) written: bool,
}

/// The words of a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words<'a> {
    /// One after the other, names in pieces.
    pub(crate) sequence: Vec<Word<'a>>,
    /// What several neighbours are when they are written as one.
    pub(crate) compounds: Vec<Compound>,
}

/// How many compounds are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Compounds {
    /// Where the text writes them as one: `CrashLoop`, `crash-loop`.
    AsWritten,
    /// Of all neighbours, for titles and names, so that `crashloop` finds `crash loop`.
    OfNeighbours,
}

/// Splits a text.
pub(crate) fn words(text: &str, compounds: Compounds) -> Words<'_> {
    // A word and the space after it are six characters or so.
    let mut words = Words { sequence: Vec::with_capacity(text.len() / 6), compounds: Vec::new() };
    let mut chain = 0;
    let mut rest = 0;
    while let Some(run) = next_run(text, rest) {
        // A hyphen or an underscore continues a chain; anything else begins a new one.
        let between = text.get(rest..run.start).unwrap_or_default();
        if !matches!(between, "-" | "_") {
            close(&mut words, chain, compounds);
            chain = words.sequence.len();
        }
        rest = run.end;
        let written = text.get(run.clone()).unwrap_or_default();
        if written.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            let end = written.len().min(LONGEST_WORD);
            words.sequence.push(Word { text: Cow::Borrowed(&written[..end]), at: run });
            continue;
        }
        for part in parts(written) {
            let at = run.start + part.start..run.start + part.end;
            let text = fold(written.get(part).unwrap_or_default());
            if !text.is_empty() {
                words.sequence.push(Word { text: Cow::Owned(text), at });
            }
        }
    }
    close(&mut words, chain, compounds);
    if compounds == Compounds::OfNeighbours {
        for index in 1..words.sequence.len() {
            join(&mut words, index - 1..index + 1, false);
        }
    }
    words
}

/// The next run of letters and digits at or after `from`, with apostrophes inside it.
fn next_run(text: &str, from: usize) -> Option<Range<usize>> {
    let tail = text.as_bytes().get(from..)?;
    // Nearly all text is ASCII, and a letter of it is found without decoding.
    let start = from + tail.iter().position(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())?;
    let end = start + tail.iter().skip(start - from).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    match text.as_bytes().get(end) {
        Some(byte) if byte.is_ascii() && *byte != b'\'' && end > start => Some(start..end),
        None if end > start => Some(start..end),
        Some(_) | None => next_decoded_run(text, start),
    }
}

fn next_decoded_run(text: &str, from: usize) -> Option<Range<usize>> {
    let tail = text.get(from..)?;
    let start = from + tail.find(char::is_alphanumeric)?;
    let mut end = start;
    let mut pending = false;
    for (at, character) in text.get(start..)?.char_indices() {
        if character.is_alphanumeric() || is_combining_mark(character) {
            end = start + at + character.len_utf8();
            pending = false;
        } else if matches!(character, '\'' | '’') && !pending {
            pending = true;
        } else {
            break;
        }
    }
    Some(start..end)
}

/// Whether a script is written without spaces; its words are pairs of characters.
fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '\u{e00}'..='\u{eff}')
}

/// Where a run is split: `KubeAPIDown` has three parts, `x509` and `5xx` have one, four characters of CJK three.
fn parts(run: &str) -> Vec<Range<usize>> {
    if run.is_ascii() && !run.bytes().skip(1).any(|byte| byte.is_ascii_uppercase()) {
        return std::iter::once(0..run.len()).collect();
    }
    let characters: Vec<(usize, char)> = run.char_indices().collect();
    if characters.iter().any(|(_, character)| is_unspaced(*character)) {
        return pairs_of_characters(run, &characters);
    }
    let lower = characters.iter().any(|(_, character)| character.is_lowercase());
    let upper_inside = characters.iter().skip(1).any(|(_, character)| character.is_uppercase());
    if !lower || !upper_inside {
        return std::iter::once(0..run.len()).collect();
    }
    let mut found = Vec::new();
    let mut start = 0;
    for (index, window) in characters.windows(2).enumerate() {
        let [(_, before), (at, character)] = window else { continue };
        let after = characters.get(index + 2).map(|(_, after)| *after);
        let begins = character.is_uppercase() && !before.is_uppercase()
            // The last of several capitals begins the next word (`APIDown`), unless it is their plural (`APIs`).
            || character.is_uppercase() && before.is_uppercase() && after.is_some_and(char::is_lowercase)
                && !(after == Some('s') && characters.get(index + 3).is_none_or(|(_, next)| next.is_uppercase()))
            || character.is_numeric() && before.is_lowercase();
        if begins {
            found.push(start..*at);
            start = *at;
        }
    }
    found.push(start..run.len());
    found
}

fn pairs_of_characters(run: &str, characters: &[(usize, char)]) -> Vec<Range<usize>> {
    let end = |index: usize| characters.get(index).map_or(run.len(), |(at, _)| *at);
    let mut found = Vec::new();
    let mut start = 0;
    while start < characters.len() {
        let unspaced = is_unspaced(characters[start].1);
        let length =
            characters[start..].iter().take_while(|(_, character)| is_unspaced(*character) == unspaced).count();
        if unspaced && length > 1 {
            found.extend((start..start + length - 1).map(|at| end(at)..end(at + 2)));
        } else {
            found.push(end(start)..end(start + length));
        }
        start += length;
    }
    found
}

/// Adds the compounds of the chain that begins at `from` and ends with the sequence.
fn close(words: &mut Words<'_>, from: usize, compounds: Compounds) {
    let to = words.sequence.len();
    let length = to - from;
    if length < 2 {
        return;
    }
    if length <= LONGEST_CHAIN {
        join(words, from..to, true);
    }
    // Where all neighbours are joined, those of a chain are, too.
    if length > 2 && compounds == Compounds::AsWritten {
        for index in from + 1..to {
            join(words, index - 1..index + 1, false);
        }
    }
}

fn join(words: &mut Words<'_>, range: Range<usize>, written: bool) {
    let Some(members) = words.sequence.get(range.clone()) else { return };
    let (Some(first), Some(last)) = (members.first(), members.last()) else { return };
    let text: String = members.iter().map(|word| word.text.as_ref()).collect();
    // Of two words a name in two pieces has been made already.
    let known = words.compounds.iter().rev().take(LONGEST_CHAIN).any(|compound| compound.words == range);
    if text.len() <= LONGEST_WORD && !known {
        let at = first.at.start..last.at.end;
        words.compounds.push(Compound { text, at, words: range, written });
    }
}

/// Lower case, without accents and apostrophes; `ß` is `ss`.
fn fold(written: &str) -> String {
    if written.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let end = written.len().min(LONGEST_WORD);
        return written[..end].to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(written.len());
    for character in written.nfkd().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase) {
        if folded.len() >= LONGEST_WORD {
            break;
        }
        match character {
            'ß' => folded.push_str("ss"),
            // Lower case of some letters has a mark of its own.
            mark if is_combining_mark(mark) => {}
            other => folded.push(other),
        }
    }
    folded
}

/// A name without case and separators, to compare names with: `KubePodCrashLooping` is `kube-pod-crash-looping`.
pub(crate) fn squash(name: &str) -> String {
    if name.is_ascii() {
        return name
            .bytes()
            .filter(u8::is_ascii_alphanumeric)
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .take(LONGEST_NAME)
            .collect();
    }
    name.nfkd()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(LONGEST_NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        words(text, Compounds::AsWritten).sequence.into_iter().map(|word| word.text.into_owned()).collect()
    }

    fn compounds(text: &str, compounds: Compounds) -> Vec<String> {
        words(text, compounds).compounds.into_iter().map(|compound| compound.text).collect()
    }

    #[test]
    fn names_are_split_where_a_word_begins() {
        assert_eq!(split("KubePodCrashLooping"), ["kube", "pod", "crash", "looping"]);
        assert_eq!(
            split("KubeAPIDown etcdGRPCRequestsSlow"),
            ["kube", "api", "down", "etcd", "grpc", "requests", "slow"]
        );
        assert_eq!(split("Http5xxRate"), ["http", "5xx", "rate"]);
        assert_eq!(split("disk-full and exit_code"), ["disk", "full", "and", "exit", "code"]);
        assert_eq!(split("x509 p99 K8s Sev1 5xx"), ["x509", "p99", "k8s", "sev1", "5xx"]);
        assert_eq!(split("OOMKilled by APIs, pod's can’t"), ["oom", "killed", "by", "apis", "pods", "cant"]);
    }

    #[test]
    fn accents_and_case_do_not_matter() {
        assert_eq!(split("Größe CAFÉ İstanbul ﬁle"), ["grosse", "cafe", "istanbul", "file"]);
    }

    #[test]
    fn scripts_without_spaces_are_read_in_pairs() {
        assert_eq!(split("磁盘已满 pod"), ["磁盘", "盘已", "已满", "pod"]);
        assert_eq!(split("満"), ["満"]);
        assert_eq!(split("再起動pod"), ["再起", "起動", "pod"]);
    }

    #[test]
    fn what_is_written_as_one_is_also_found_as_one() {
        assert_eq!(compounds("CrashLoop back-off", Compounds::AsWritten), ["crashloop", "backoff"]);
        assert_eq!(compounds("KubePodDown", Compounds::AsWritten), ["kubepoddown", "kubepod", "poddown"]);
        assert_eq!(compounds("crash loop", Compounds::AsWritten), Vec::<String>::new());
        assert_eq!(compounds("crash loop", Compounds::OfNeighbours), ["crashloop"]);
    }

    #[test]
    fn a_word_knows_where_it_stands() {
        let text = "the OOMKilled pod";
        let found = words(text, Compounds::AsWritten);
        let places: Vec<&str> = found.sequence.iter().map(|word| &text[word.at.clone()]).collect();
        assert_eq!(places, ["the", "OOM", "Killed", "pod"]);
        assert_eq!(&text[found.compounds[0].at.clone()], "OOMKilled");
    }

    #[test]
    fn names_compare_without_case_and_separators() {
        assert_eq!(squash("Kube-Pod_Crash Looping"), squash("kubepodcrashlooping"));
    }
}
