//! The environment of a child, and where its program lies.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The variables that a child gets from Belay's own environment; a trailing `*` stands for any rest. Everything else
/// stays behind, so that a command does the same from a terminal, from the desktop and from a service.
pub const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_*",
    "TZ",
    "TMPDIR",
    "XDG_*",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_*",
    "KUBE_*",
    "HELM_*",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "AWS_*",
    "AZURE_*",
    "ARM_*",
    "GOOGLE_*",
    "CLOUDSDK_*",
    "VAULT_ADDR",
    "VAULT_NAMESPACE",
    "VAULT_TOKEN",
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGDATABASE",
    "PGSSL*",
    "PGPASSFILE",
    "PGSERVICE*",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Searched where `PATH` is not set.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn passes(name: &str) -> bool {
    PASSED.iter().any(|passed| match passed.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *passed == name,
    })
}

/// The environment of a child: what passes, a dumb terminal, the act's own variables, the mark.
pub(super) fn of_child(own: &BTreeMap<String, String>, mark: &str) -> BTreeMap<OsString, OsString> {
    let mut variables: BTreeMap<OsString, OsString> =
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(passes)).collect();
    variables.entry("PATH".into()).or_insert_with(|| USUAL_PATH.into());
    variables.insert("TERM".into(), "dumb".into());
    variables.extend(own.iter().map(|(name, value)| (name.into(), value.into())));
    variables.insert(super::INVOCATION_VARIABLE.into(), mark.into());
    variables
}

/// Where a program lies: itself where it has a slash (below `directory` where relative), else the first executable on
/// the search path.
pub fn find_program(program: &str, path: Option<&OsStr>, directory: Option<&Path>) -> Option<PathBuf> {
    if program.contains('/') {
        let candidate = match directory {
            Some(directory) => directory.join(program),
            None => PathBuf::from(program),
        };
        return executable(&candidate).then_some(candidate);
    }
    if program.is_empty() {
        return None;
    }
    let usual = OsStr::new(USUAL_PATH);
    std::env::split_paths(path.unwrap_or(usual))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| executable(candidate))
}

fn executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
