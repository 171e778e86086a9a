//! What belay can do here and by which rules: actions, policy, contexts, doctor, schema, completions.

use std::path::Path;

use belay_runbook::action::{ActionCatalog as _, ActionSpec};
use belay_runbook::finding::FindingLevel;
use belay_runbook::format;
use belay_runbook::policy::Policy;
use clap::CommandFactory as _;
use serde_json::json;

use super::{Desk, policy_test, wait};
use crate::arguments::{self, Actions, Arguments, Context, Doctor, SchemaOf};
use crate::failure::{Exit, Failure};
use crate::render::{findings, identity as identity_page, lists};
use crate::{page, text};

pub fn actions(desk: &Desk, actions: &Actions) -> Result<Exit, Failure> {
    let registry = desk.cockpit.registry();
    match actions {
        Actions::List => {
            let specs: Vec<&ActionSpec> = registry.names().into_iter().filter_map(|name| registry.spec(name)).collect();
            desk.show(&specs, || lists::actions(&specs, desk.settings.style))?;
        }
        Actions::Show(action) => {
            let Some(spec) = registry.spec(&action.name) else {
                return Err(Failure::usage(
                    format!("there is no action `{}`", action.name),
                    "`belay actions list` shows them",
                ));
            };
            desk.show(spec, || lists::action(spec, desk.settings.style))?;
        }
    }
    Ok(Exit::Done)
}

pub fn policy(desk: &Desk, policy: &arguments::Policy) -> Result<Exit, Failure> {
    match policy {
        arguments::Policy::Show => {
            let policy = desk.cockpit.policy()?;
            let parsed = Policy::parse(&policy.source, policy.yaml.as_bytes()).ok();
            let protected: Vec<&str> = parsed.iter().flat_map(Policy::protected).collect();
            let document = json!({
                "source": policy.source,
                "digest": policy.digest,
                "yaml": policy.yaml,
                "protected_namespaces": protected,
                "policy": parsed,
            });
            desk.show(&document, || {
                let source = text::line(&policy.source);
                let protected =
                    if protected.is_empty() { "none".to_owned() } else { text::line(&protected.join(", ")) };
                format!(
                    "# source: {source}\n# digest: {}\n# protected namespaces: {protected}\n{}",
                    policy.digest,
                    text::block(&policy.yaml)
                )
            })?;
            Ok(Exit::Done)
        }
        arguments::Policy::Check(file) => check_policy(desk, file),
        arguments::Policy::Test(test) => policy_test::policy_test(desk, test),
    }
}

fn check_policy(desk: &Desk, file: &arguments::PolicyFile) -> Result<Exit, Failure> {
    let Some(path) = &file.path else {
        let policy = desk.cockpit.policy()?;
        desk.show(&json!({ "ok": true, "source": policy.source, "digest": policy.digest }), || {
            format!("the policy can be used: {}, digest {}\n", text::line(&policy.source), policy.digest)
        })?;
        return Ok(Exit::Done);
    };
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::usage(format!("`{name}` cannot be read: {error}"), "`belay policy show` prints the one in force")
    })?;
    let found = match Policy::parse(&name, &bytes) {
        Ok(_) => Vec::new(),
        Err(found) => found,
    };
    desk.show(&found, || findings::text(&found, 1, desk.settings.style))?;
    let wrong = found.iter().any(|finding| finding.severity == FindingLevel::Error);
    Ok(if wrong { Exit::Failed } else { Exit::Done })
}

pub fn context(desk: &Desk, context: &Context) -> Result<Exit, Failure> {
    match context {
        Context::Check(of) => {
            let report = wait(async { Ok(desk.cockpit.check_context(of.name.as_deref()).await?) })?;
            desk.show(&report, || lists::context(&report, desk.settings.style))?;
        }
        Context::List => {
            let contexts = desk.cockpit.contexts()?;
            desk.show(&contexts, || lists::contexts(&contexts, desk.settings.style))?;
        }
        Context::Use(context) => {
            desk.cockpit.use_context(&context.name)?;
            desk.show(&json!({ "context": context.name }), || {
                format!("belay acts on {} from now on\n", text::line(&context.name))
            })?;
        }
    }
    Ok(Exit::Done)
}

pub fn freeze(desk: &Desk, freeze: &arguments::Freeze) -> Result<Exit, Failure> {
    let freeze = desk.cockpit.freeze(&freeze.reason)?;
    desk.show(&freeze, || {
        "nothing that changes something starts here any more, rollbacks included; acts that run come to their end; \
         `belay unfreeze` lifts it\n"
            .to_owned()
    })?;
    Ok(Exit::Done)
}

pub fn unfreeze(desk: &Desk) -> Result<Exit, Failure> {
    let lifted = desk.cockpit.unfreeze()?;
    desk.show(&json!({ "lifted": lifted }), || match &lifted {
        Some(freeze) => format!(
            "the freeze of {} is lifted ({}); `belay retry` and `belay resume` go on\n",
            text::line(&freeze.by),
            text::line(&freeze.reason)
        ),
        None => "nothing was frozen\n".to_owned(),
    })?;
    Ok(Exit::Done)
}

pub fn identity(desk: &Desk, identity: &arguments::Identity) -> Result<Exit, Failure> {
    let identity = match identity {
        arguments::Identity::Show => desk.cockpit.identity()?,
        arguments::Identity::Init => desk.cockpit.identity_init()?,
        arguments::Identity::Rekey => desk.cockpit.identity_rekey()?,
    };
    desk.show(&identity, || identity_page::identity(&identity, desk.settings.style))?;
    Ok(Exit::Done)
}

pub fn doctor(desk: &Desk, doctor: &Doctor) -> Result<Exit, Failure> {
    if doctor.mend {
        let report = desk.cockpit.mend(doctor.accept_loss)?;
        desk.show(&report, || lists::mended(&report))?;
        return Ok(Exit::Done);
    }
    let report = desk.cockpit.doctor();
    desk.show(&report, || lists::doctor(&report, desk.settings.style))?;
    Ok(if report.ok { Exit::Done } else { Exit::Environment })
}

pub fn schema(of: SchemaOf) -> Result<Exit, Failure> {
    match of {
        SchemaOf::Runbook => page::json(&format::schema())?,
        SchemaOf::Policy => page::json(&Policy::schema())?,
    }
    Ok(Exit::Done)
}

pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "belay", &mut script);
    page::write(&script)?;
    Ok(Exit::Done)
}

/// Writes a page for belay and one for each command, as packages install them.
pub fn manual(dir: &Path) -> Result<Exit, Failure> {
    std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Arguments::command(), dir)).map_err(
        |error| Failure::usage(format!("`{}` cannot be written: {error}", dir.display()), "name another folder"),
    )?;
    Ok(Exit::Done)
}
