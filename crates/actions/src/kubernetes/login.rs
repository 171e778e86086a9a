//! How a person renews the login to a cluster, from what the kubeconfig says of it.

use kube::config::{ExecConfig, Kubeconfig};

use super::access::ClusterAccess;
use super::clusters;
use crate::redact::Redaction;

/// The longest command that is shown in full.
const SHOWN: usize = 100;

/// What stands for a value that is not shown.
const HIDDEN: &str = "…";

/// Words of options whose value nobody else should read.
const SECRET: [&str; 4] = ["secret", "token", "password", "key"];

/// What renews the login of a way to a cluster: lower case, no final period.
pub(super) fn remedy(access: &ClusterAccess) -> String {
    if access.in_cluster {
        return "the token of belay's own service account is not accepted; it comes anew with its pod".to_owned();
    }
    let kubeconfig = clusters::read(access).ok();
    let exec = kubeconfig.as_ref().and_then(|kubeconfig| exec_of(kubeconfig, access.context.as_deref()?));
    match exec.and_then(renewing) {
        Some(command) => format!("renew it with `{command}` in another window, then go on"),
        None => format!("put a login that is valid into {}, then go on", clusters::place(access)),
    }
}

fn exec_of<'a>(kubeconfig: &'a Kubeconfig, wanted: &str) -> Option<&'a ExecConfig> {
    let named = kubeconfig.contexts.iter().find(|context| context.name == wanted)?;
    let user = named.context.as_ref()?.user.as_deref()?;
    let login = kubeconfig.auth_infos.iter().find(|login| login.name == user)?;
    login.auth_info.as_ref()?.exec.as_ref()
}

/// The command that a person runs: what logs in for the plug-in, or the plug-in itself, which may ask there.
///
/// Source: the plug-ins' own documentation (AWS CLI, gke-gcloud-auth-plugin, Azure kubelogin, doctl, OCI CLI, Teleport).
fn renewing(exec: &ExecConfig) -> Option<String> {
    let command = exec.command.as_deref()?;
    let arguments = exec.args.as_deref().unwrap_or_default();
    let program = command.rsplit('/').next().unwrap_or(command);
    let first = arguments.iter().find(|word| !word.starts_with('-')).map(String::as_str);
    Some(match (program, first) {
        ("aws" | "aws-iam-authenticator", _) => match profile(exec, arguments) {
            Some(profile) => format!("aws sso login --profile {}", word(&profile)),
            None => "aws sso login".to_owned(),
        },
        ("gke-gcloud-auth-plugin" | "gcloud", _) => "gcloud auth login".to_owned(),
        ("az", _) => "az login".to_owned(),
        ("kubelogin", Some("get-token")) if arguments.iter().any(|word| word.starts_with("--server-id")) => {
            "az login".to_owned()
        }
        ("doctl", _) => "doctl auth init".to_owned(),
        ("oci", _) => "oci session authenticate".to_owned(),
        ("ibmcloud", _) => "ibmcloud login".to_owned(),
        ("tsh", _) => "tsh login".to_owned(),
        (_, _) => itself(command, arguments),
    })
}

fn profile(exec: &ExecConfig, arguments: &[String]) -> Option<String> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--profile" {
            return words.next().cloned();
        }
        if let Some(profile) = word.strip_prefix("--profile=") {
            return Some(profile.to_owned());
        }
    }
    let set = exec.env.iter().flatten();
    let mut named = set.filter(|entry| entry.get("name").is_some_and(|name| name == "AWS_PROFILE"));
    named.find_map(|entry| entry.get("value").cloned())
}

/// The plug-in's command as a person types it, without what may be a secret.
fn itself(command: &str, arguments: &[String]) -> String {
    let mut words = vec![word(command)];
    let mut hidden = false;
    for argument in arguments {
        let option = argument.split('=').next().unwrap_or_default().to_lowercase();
        let secret = argument.starts_with('-') && SECRET.iter().any(|part| option.contains(part));
        words.push(match argument.split_once('=') {
            _ if hidden => HIDDEN.to_owned(),
            Some((option, _)) if secret => format!("{option}={HIDDEN}"),
            _ => word(argument),
        });
        hidden = secret && !argument.contains('=');
    }
    let text = Redaction::tokens().text(&words.join(" "));
    if text.chars().count() > SHOWN || text.contains(char::is_control) {
        format!("{} …", word(command))
    } else {
        text
    }
}

/// One word as a shell takes it.
fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@,+".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn exec(value: &Value) -> ExecConfig {
        serde_json::from_value(value.clone()).expect("a plug-in")
    }

    #[rstest]
    #[case::aws(json!({"command": "aws", "args": ["eks", "get-token", "--cluster-name", "x"]}), "aws sso login")]
    #[case::aws_profile(
        json!({"command": "/usr/bin/aws", "args": ["--profile", "prod eu", "eks", "get-token"]}),
        "aws sso login --profile 'prod eu'"
    )]
    #[case::aws_env(
        json!({"command": "aws", "env": [{"name": "AWS_PROFILE", "value": "prod"}]}),
        "aws sso login --profile prod"
    )]
    #[case::gke(json!({"command": "gke-gcloud-auth-plugin"}), "gcloud auth login")]
    #[case::azure(json!({"command": "kubelogin", "args": ["get-token", "--server-id", "x"]}), "az login")]
    #[case::oidc(
        json!({"command": "kubectl", "args": ["oidc-login", "get-token", "--oidc-client-secret=s3cr3t", "--x"]}),
        "kubectl oidc-login get-token --oidc-client-secret=[redacted] --x"
    )]
    #[case::secret_word(json!({"command": "login", "args": ["--token", "abc", "go"]}), "login --token … go")]
    fn the_command_that_renews_a_login_is_named(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(renewing(&exec(&value)).as_deref(), Some(expected));
    }
}
