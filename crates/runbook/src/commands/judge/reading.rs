//! Programs and their words that only look. What is not here may change something.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The table, read once.
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("reading.txt")));

#[derive(Default)]
struct Table {
    /// Programs that only look whatever they are given.
    always: BTreeSet<&'static str>,
    verbs: Vec<Verbs>,
}

/// A program that only looks under some of its words.
struct Verbs {
    programs: Vec<&'static str>,
    /// Options that take a value before the verb.
    values: Vec<&'static str>,
    /// One or two words; `*` for any one word.
    looking: Vec<&'static str>,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut fields = line.split(';').map(str::trim);
            let programs: Vec<&str> = fields.next().unwrap_or_default().split_whitespace().collect();
            let values: Vec<&str> = fields.next().unwrap_or_default().split_whitespace().collect();
            if programs == ["always"] {
                table.always.extend(values);
                continue;
            }
            let verbs = fields.next().unwrap_or_default().split(',').map(str::trim).collect();
            table.verbs.push(Verbs { programs, values, looking: verbs });
        }
        table
    }
}

/// Whether a program with these arguments only looks.
pub(super) fn reads(program: &str, arguments: &[&str]) -> bool {
    if TABLE.always.contains(program) || (matches!(arguments, ["--version" | "-V" | "--help"])) {
        return true;
    }
    if TABLE.verbs.iter().any(|known| known.programs.contains(&program) && known.matches(arguments)) {
        return true;
    }
    match program {
        "curl" | "wget" | "http" => fetches(program, arguments),
        "psql" | "mysql" | "mariadb" | "sqlite3" | "cqlsh" | "clickhouse-client" | "cockroach" => queries(arguments),
        "aws" => cloud(arguments, &["--region", "--profile", "--output", "--query", "--endpoint-url"]),
        "gcloud" | "az" => cloud(arguments, &["--project", "--format", "--filter", "--zone", "--region", "-g", "-n"]),
        "sed" => !arguments.iter().any(|word| {
            *word == "--in-place" || word.starts_with("--in-place=") || (short(word) && word.contains('i'))
        }),
        "awk" | "gawk" | "mawk" => !arguments.iter().any(|word| word.contains("system(") || word.contains('>')),
        "find" => {
            let changing = ["-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprintf", "-fls"];
            !arguments.iter().any(|word| changing.contains(word))
        }
        "sort" => !arguments.iter().any(|word| (short(word) && word.contains('o')) || word.starts_with("--o")),
        "yq" => !arguments.iter().any(|word| matches!(*word, "-i" | "--inplace") || word.contains("-i")),
        "date" => !arguments.iter().any(|word| matches!(*word, "-s" | "--set") || word.starts_with("--set=")),
        "hostname" | "ifconfig" | "mount" | "route" | "swapon" | "dmesg" | "timedatectl" | "env" | "ip" | "crontab" => {
            arguments.is_empty() || matches!(arguments, ["-a" | "-n" | "-f" | "-i" | "-I" | "-s" | "--show"])
        }
        "sysctl" => {
            !arguments.iter().any(|word| matches!(*word, "-w" | "-p" | "--write" | "--load") || word.contains('='))
        }
        "ss" => !arguments.iter().any(|word| matches!(*word, "-K" | "--kill")),
        "journalctl" => {
            let changing =
                ["--vacuum", "--rotate", "--flush", "--sync", "--relinquish", "--smart", "--update", "--setup"];
            !arguments.iter().any(|word| changing.iter().any(|option| word.starts_with(option)))
        }
        "ntpq" | "jmap" => !arguments.iter().any(|word| word.contains("dump")),
        "strace" | "tcpdump" => !arguments.iter().any(|word| short(word) && (word.contains('w') || word.contains('o'))),
        "kafka-topics" | "kafka-topics.sh" | "kafka-consumer-groups" | "kafka-consumer-groups.sh" => {
            arguments.iter().any(|word| matches!(*word, "--list" | "--describe"))
                && !arguments
                    .iter()
                    .any(|word| matches!(*word, "--delete" | "--alter" | "--create" | "--reset-offsets"))
        }
        "telnet" | "openssl" => program == "telnet",
        _ => false,
    }
}

fn short(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--")
}

impl Verbs {
    fn matches(&self, arguments: &[&str]) -> bool {
        let mut at = 0;
        // Options before the verb, unless the verb is itself one.
        while let Some(word) = arguments.get(at) {
            if !word.starts_with('-') || self.looking.iter().any(|verb| verb.split(' ').next() == Some(word)) {
                break;
            }
            at += if self.values.contains(word) { 2 } else { 1 };
        }
        let Some(first) = arguments.get(at) else { return false };
        let lower = first.to_lowercase();
        let first = if self.programs.contains(&"redis-cli") { lower.as_str() } else { first };
        let second = arguments.get(at + 1).map_or(String::new(), |word| word.to_lowercase());
        let printing = !arguments.iter().any(|word| matches!(*word, "-out" | "-keyout" | "--output-directory"));
        printing
            && self.looking.iter().any(|verb| match verb.split_once(' ') {
                None => *verb == first,
                Some(("*", after)) => after == second,
                Some((verb, "*")) => verb == first && !second.is_empty(),
                Some((verb, after)) => verb == first && after == second,
            })
    }
}

/// Whether a client of HTTP only gets.
fn fetches(program: &str, arguments: &[&str]) -> bool {
    let mut method = "GET".to_owned();
    for word in arguments {
        let next = || arguments.iter().skip_while(|other| *other != word).nth(1).copied().unwrap_or_default();
        match *word {
            "-X" | "--request" | "--method" => method = next().to_uppercase(),
            "-o" | "--output" | "-O" if !(matches!(next(), "/dev/null" | "-") && *word != "-O") => return false,
            "-T" | "--upload-file" | "-F" | "--form" | "-K" | "--config" | "--json" | "--post-data" | "--post-file" => {
                return false;
            }
            "-G" | "--get" => return true,
            "--remote-name" => return false,
            word if word.starts_with("-X") => method = word.trim_start_matches("-X").to_uppercase(),
            word if word.starts_with("--request=") || word.starts_with("--method=") => {
                method = word.rsplit('=').next().unwrap_or_default().to_uppercase();
            }
            word if word == "-d"
                || word.starts_with("--data")
                || (short(word) && word.len() > 2 && word.ends_with('d')) =>
            {
                return arguments.iter().any(|word| matches!(*word, "-G" | "--get"));
            }
            _ => {}
        }
    }
    // `wget` writes what it fetches unless it is told otherwise.
    let prints = program != "wget"
        || arguments.iter().any(|word| word.starts_with("--spider") || word.contains("O-") || *word == "-qO-");
    prints && matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS")
}

/// Whether a database client is given statements that only select.
fn queries(arguments: &[&str]) -> bool {
    if arguments.iter().any(|word| matches!(*word, "-f" | "--file") || word.starts_with("--file=")) {
        return false;
    }
    let statements: Vec<&str> = arguments
        .iter()
        .filter(|word| word.contains(char::is_whitespace) || word.starts_with('\\') || word.ends_with(';'))
        .copied()
        .collect();
    let listing = arguments.iter().any(|word| matches!(*word, "-l" | "--list"));
    let changing = [
        "insert ",
        "update ",
        "delete ",
        "drop ",
        "alter ",
        "create ",
        "truncate ",
        "grant ",
        "revoke ",
        "vacuum",
        "reindex",
        "into ",
        "pg_terminate",
        "pg_cancel",
        "pg_reload",
        "pg_switch",
        "pg_promote",
        "pg_rotate",
        "pg_drop",
        "pg_wal_replay",
        "setval(",
        "nextval(",
        "lo_",
        "set_config(",
        "kill ",
        "call ",
        "\\!",
        "\\copy",
        "copy ",
        "lock ",
        "begin",
        "analyze ",
    ];
    let reads = |statement: &str| {
        let statement = statement.trim().trim_matches(['"', '\'']).trim().to_lowercase();
        let starts =
            ["select", "show", "explain", "with", "describe", "desc ", "\\d", "\\l", "\\x", "\\timing", "pragma"];
        statement.is_empty()
            || (starts.iter().any(|word| statement.starts_with(word))
                && !changing.iter().any(|word| statement.contains(word)))
    };
    listing || (!statements.is_empty() && statements.iter().all(|text| text.split(';').all(reads)))
}

/// Whether a cloud's command line is given a verb that only looks, wherever its services put it.
fn cloud(arguments: &[&str], values: &[&str]) -> bool {
    let mut operands = Vec::new();
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        if values.contains(word) {
            at += 1;
        } else if !word.starts_with('-') {
            operands.push(*word);
        } else if operands.len() >= 2 {
            break;
        }
        at += 1;
    }
    if matches!(operands.as_slice(), ["s3", "ls", ..] | ["sts", "get-caller-identity", ..]) {
        return true;
    }
    if operands.iter().any(|word| matches!(*word, "secretsmanager" | "secrets" | "ssh")) {
        return false;
    }
    let looks = |word: &&str| {
        ["describe", "list", "get", "show", "read", "tail", "filter-log-events", "lookup-events", "wait"].contains(word)
            || ["describe-", "list-", "get-", "batch-get-", "head-", "get_"].iter().any(|start| word.starts_with(start))
    };
    operands.iter().skip(1).take(3).any(looks)
        && !operands.iter().take(4).any(|word| {
            [
                "create", "delete", "update", "set", "add", "remove", "start", "stop", "restart", "reset", "put-",
                "modify-",
            ]
            .iter()
            .any(|verb| word.starts_with(verb))
        })
}
