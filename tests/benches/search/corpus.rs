//! Generated runbooks and queries: the words of operations, as unevenly frequent as words are, and some that are rare.

use belay_store::{Document, Health};

/// Frequent words first.
const WORDS: &str = "service pod node check error cluster database memory kubernetes alert restart disk latency network \
    container deployment config log metrics request timeout replica queue cpu storage certificate connection health \
    endpoint traffic failure volume namespace rollout scale backup cache index worker job scheduler controller quota limit \
    token secret user session gateway proxy ingress dns route packet interface firewall port socket thread process kernel \
    inode filesystem partition mount snapshot restore failover primary standby replication lag lock transaction query table \
    schema migration vacuum pool broker topic partition consumer producer offset retention shard segment compaction leader \
    quorum election member heartbeat probe readiness liveness eviction throttling saturation overload backpressure retry \
    circuit breaker budget burn rate threshold baseline anomaly dashboard trace span sample scrape target exporter rule \
    recording silence receiver webhook pager escalation incident severity owner runbook mitigation diagnosis impact meaning \
    kubelet apiserver etcd coredns autoscaler daemonset statefulset cronjob configmap taint toleration affinity cordon drain";
const SYLLABLES: [&str; 24] = [
    "ba", "cor", "dex", "fal", "gor", "hin", "jar", "kel", "lum", "mar", "nor", "pel", "qua", "rin", "sol", "tor",
    "und", "ver", "wex", "xan", "yor", "zem", "ost", "ira",
];
/// What people say that stands in no document.
const SAID: [&str; 16] = [
    "out of memory",
    "no space left on device",
    "CrashLoopBackOff",
    "exit code 137",
    "cert expired",
    "too many open files",
    "replica lag",
    "connection refused",
    "nxdomain",
    "keeps restarting",
    "slow",
    "5xx",
    "clock drift",
    "oomkilled",
    "image pull",
    "throttled",
];

/// A generator of documents; the same seed gives the same catalog.
pub(crate) struct Corpus {
    words: Vec<String>,
    /// The sums of the words' weights, to draw by.
    sums: Vec<f64>,
    seed: u64,
}

/// A generator of numbers, `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }
}

impl Corpus {
    pub(crate) fn new(seed: u64) -> Self {
        let mut words: Vec<String> = WORDS.split_whitespace().map(ToOwned::to_owned).collect();
        let mut dice = Dice(seed);
        while words.len() < 20_000 {
            let length = 2 + dice.below(3);
            words.push((0..length).map(|_| SYLLABLES[dice.below(SYLLABLES.len())]).collect());
        }
        let mut sum = 0.0;
        let sums = (1..=words.len())
            .map(|rank| {
                sum += 1.0 / (rank as f64 + 2.7);
                sum
            })
            .collect();
        Self { words, sums, seed }
    }

    fn word(&self, dice: &mut Dice) -> &str {
        let drawn = dice.share() * self.sums.last().copied().unwrap_or_default();
        &self.words[self.sums.partition_point(|sum| *sum < drawn).min(self.words.len() - 1)]
    }

    fn text(&self, dice: &mut Dice, count: usize) -> String {
        (0..count).map(|_| self.word(dice)).collect::<Vec<_>>().join(" ")
    }

    fn dice(&self, number: usize) -> Dice {
        Dice(self.seed ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// The document with this number: 2 KB in the middle, a few much longer.
    pub(crate) fn document(&self, number: usize) -> Document {
        let mut dice = self.dice(number);
        let camel = |text: String| {
            text.split(' ').fold(String::new(), |all, word| all + &word[..1].to_uppercase() + &word[1..])
        };
        let title = {
            let count = 3 + dice.below(3);
            self.text(&mut dice, count)
        };
        let spread = 2.0_f64.powf(dice.share() * 4.0 - 2.0);
        let (description, body) = ((35.0 * spread) as usize + 5, (180.0 * spread) as usize + 10);
        let alert = {
            let count = 2 + dice.below(3);
            camel(self.text(&mut dice, count))
        };
        Document {
            key: format!("generated/{number}"),
            source: "generated".to_owned(),
            path: format!("{number}.yaml"),
            content_hash: number.to_string(),
            id: format!("RB-{number}"),
            name: title.replace(' ', "-"),
            title,
            description: self.text(&mut dice, description),
            symptoms: (0..2 + dice.below(2)).map(|_| self.text(&mut dice, 6)).collect(),
            triggers: vec![alert],
            services: vec![self.word(&mut dice).to_owned()],
            tags: (0..4).map(|_| self.word(&mut dice).to_owned()).collect(),
            severity: ["sev1", "sev2", "sev3", "all"][dice.below(4)].to_owned(),
            category: "incident_response".to_owned(),
            domain: "infrastructure".to_owned(),
            body: self.text(&mut dice, body),
            health: Health::default(),
        }
    }

    /// Queries of one to four words, each of which stands in some document.
    pub(crate) fn all_words(&self, documents: usize, count: usize) -> Vec<String> {
        (0..count)
            .map(|query| {
                let mut dice = Dice(query as u64 ^ 0xabcd);
                let document = self.document(dice.below(documents));
                let text = format!("{} {} {}", document.title, document.symptoms.join(" "), document.body);
                let words: Vec<&str> = text.split(' ').collect();
                (0..=dice.below(4)).map(|_| words[dice.below(words.len())]).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    /// The same with typing errors, and with what people say.
    pub(crate) fn expanded(&self, documents: usize, count: usize) -> Vec<String> {
        let plain = self.all_words(documents, count);
        plain
            .into_iter()
            .enumerate()
            .map(|(query, text)| {
                let mut dice = Dice(query as u64 ^ 0x1234);
                let mut words: Vec<String> = text.split(' ').map(ToOwned::to_owned).collect();
                if let Some(word) = words.iter_mut().max_by_key(|word| word.len()) {
                    *word = mistyped(word, &mut dice);
                }
                if query % 2 == 0 {
                    words.push(SAID[dice.below(SAID.len())].to_owned());
                }
                words.join(" ")
            })
            .collect()
    }
}

fn mistyped(word: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() < 4 {
        return word.to_owned();
    }
    let at = 1 + dice.below(letters.len() - 2);
    match dice.below(3) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        _ => letters.insert(at, 'e'),
    }
    letters.into_iter().collect()
}
