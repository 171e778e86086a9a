//! Secrets in the keyring.

use std::io::{IsTerminal as _, Read as _};

use belay_cockpit::{LONGEST_SECRET, SecretName};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use super::Desk;
use crate::arguments::{Secret, SecretSet};
use crate::failure::{Exit, Failure};
use crate::hidden;
use crate::render::lists;

pub fn secret(desk: &Desk, secret: &Secret) -> Result<Exit, Failure> {
    let unlock = !desk.settings.never_ask;
    match secret {
        Secret::Set(set) => return keep(desk, set),
        Secret::List => {
            let list = desk.cockpit.secrets().list(unlock)?;
            desk.show(&list, || lists::secrets(&list, desk.settings.style))?;
        }
        Secret::Remove(of) => {
            let name = SecretName::parse(&of.name)?;
            desk.cockpit.secrets().remove(&name, unlock)?;
            desk.show(&json!({ "name": name.as_str(), "removed": true }), || {
                format!("secret {name} is removed from the keyring\n")
            })?;
        }
    }
    Ok(Exit::Done)
}

fn keep(desk: &Desk, set: &SecretSet) -> Result<Exit, Failure> {
    if !set.value.is_empty() {
        return Err(Failure::usage(
            "a secret is never given as an argument: every user of this machine can read those",
            "run `belay secret set NAME` and type it, or pipe it in; change the one that was given here, and take it out \
             of your shell's history",
        ));
    }
    let name = SecretName::parse(&set.of.name)?;
    let value = if std::io::stdin().is_terminal() { typed(desk, &name)? } else { piped()? };
    let kept = desk.cockpit.secrets().set(&name, &value, !desk.settings.never_ask)?;
    desk.show(&kept, || {
        let how = if kept.replaced { "has a new value" } else { "is kept" };
        format!("secret {name} {how} in the keyring; a runbook names it as {{ $secret: {name} }}\n")
    })?;
    Ok(Exit::Done)
}

fn typed(desk: &Desk, name: &SecretName) -> Result<SecretString, Failure> {
    if desk.settings.never_ask {
        return Err(Failure::usage("no secret was given, and nothing may be asked", "give it on standard input"));
    }
    let prompt = format!("{} {} ", desk.settings.errors.bold(&format!("Secret {name}")), "(nothing is shown) ›");
    hidden::read(&prompt)?
        .ok_or_else(|| Failure::usage("no secret was given; nothing is changed", "type it, then press Enter"))
}

/// Everything on standard input, without the line end that `echo` adds.
fn piped() -> Result<SecretString, Failure> {
    // Room for all that is allowed, so that no copy is left where a smaller buffer was.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_SECRET + 3));
    let limit = LONGEST_SECRET as u64 + 3;
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|source| Failure::Setup { what: "standard input cannot be read", source })?;
    let text = str::from_utf8(&bytes)
        .map_err(|_| Failure::usage("the secret is no text in UTF-8", "encode it first, as Base64 say"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(SecretString::from(text))
}
