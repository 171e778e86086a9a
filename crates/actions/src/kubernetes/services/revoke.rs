//! `security.revoke_credentials`.

use async_trait::async_trait;
use belay_runbook::act::{Outcome, Preparation, ProbeAnswer};
use belay_runbook::action::{ActionSpec, Impact, Sink};
use serde_json::{Map, json};

use super::credentials::{Keys, Live, Parameters};
use super::{Service, of_service, workload};
use crate::declaration::{list, text};
use crate::kubernetes::trouble::Trouble;
use crate::kubernetes::{ClusterAct, Site};

/// Removes the values that a rotation kept, once every pod that reads the credentials has begun with the new ones.
pub(super) struct RevokeCredentials;

#[async_trait]
impl ClusterAct for RevokeCredentials {
    type Parameters = Parameters;

    fn declaration() -> ActionSpec {
        let declared =
            of_service("security.revoke_credentials", "Remove the old values that a rotation of credentials has kept")
                .optional("scope", Sink::Name, text("one credential of the service's entry; all of them where absent"))
                .output("revoked", list(&text("a credential's name"), "whose old values are gone"))
                .destroys(true)
                .access("get secrets")
                .access("patch secrets");
        workload::reads(declared).build()
    }

    fn describe(parameters: &Parameters) -> String {
        format!("remove the old values of {}", parameters.shown())
    }

    async fn prepare(site: &Site<'_>, parameters: Parameters) -> Result<Preparation, Trouble> {
        let service = parameters.named.find(site)?;
        let all = parameters.keys(&service)?;
        let target = format!("credentials/{}/{}", service.namespace, service.name);
        let mut prepared = site.preparation(target, &Self::declaration());
        prepared.basis.namespaces.insert(service.namespace.clone());
        prepared.impact = Impact::High;
        prepared.reasons.push("the rotation can no longer be taken back".to_owned());
        prepared.facts.insert("serviceExists".to_owned(), json!(true));
        let (mut secrets, mut kept) = (Map::new(), 0);
        for keys in &all {
            let live = verified(site, &service, keys).await?;
            kept += live.kept(keys).len();
            prepared.basis.objects.insert(keys.object());
            secrets.insert(keys.secret.clone(), json!({ "uid": live.uid(), "rotation": live.rotation() }));
        }
        if kept == 0 {
            prepared.notes.push("no old value is kept".to_owned());
        }
        prepared.notes.push("what another system issued is to be revoked there".to_owned());
        prepared.basis.values.insert("secrets".to_owned(), json!(secrets));
        Ok(prepared)
    }

    async fn run(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Outcome {
        let read = preparation.basis.values.get("secrets").cloned().unwrap_or_default();
        let ready = async {
            let service = parameters.named.find(site)?;
            let mut ready = Vec::new();
            for keys in parameters.keys(&service)? {
                let live = verified(site, &service, &keys).await?;
                if json!({ "uid": live.uid(), "rotation": live.rotation() }) != read[&keys.secret] {
                    return Err(keys.changed());
                }
                ready.push((keys, live));
            }
            Ok(ready)
        };
        let ready = match ready.await.map_err(Trouble::unsent) {
            Ok(ready) => ready,
            Err(trouble) => return trouble.outcome(),
        };
        let mut revoked = Vec::new();
        for (keys, live) in &ready {
            let kept = live.kept(keys);
            if kept.is_empty() {
                continue;
            }
            match keys.forget(site, live).await {
                Ok(_) => revoked.extend(kept),
                Err(trouble) if revoked.is_empty() => return trouble.outcome(),
                Err(trouble) => return Outcome { output: json!({ "revoked": revoked }), ..trouble.outcome_midway() },
            }
        }
        Outcome::succeeded(json!({ "revoked": revoked }))
    }

    async fn probe(site: &Site<'_>, parameters: Parameters, preparation: &Preparation) -> Result<ProbeAnswer, Trouble> {
        let read = preparation.basis.values.get("secrets").cloned().unwrap_or_default();
        let mut kept = 0;
        for keys in parameters.keys(&parameters.named.find(site)?)? {
            let live = keys.read(site).await?;
            if json!({ "uid": live.uid(), "rotation": live.rotation() }) != read[&keys.secret] {
                return Ok(ProbeAnswer::Unknown);
            }
            kept += live.kept(&keys).len();
        }
        Ok(if kept == 0 {
            ProbeAnswer::Done(Outcome::succeeded(json!({ "revoked": [] })))
        } else {
            ProbeAnswer::NotDone
        })
    }
}

/// A Secret whose every reader has begun with its present values.
async fn verified(site: &Site<'_>, service: &Service, keys: &Keys) -> Result<Live, Trouble> {
    let live = keys.read(site).await?;
    if live.kept(keys).is_empty() {
        return Ok(live);
    }
    for running in keys.workloads(site, service).await? {
        if running.annotation(&keys.mark()) != live.rotation() || !running.is_rolled_out()? {
            return Err(Trouble::before(format!(
                "not every pod of {} has begun with the new values of secret `{}`; the old ones are still needed",
                running.shown(),
                keys.secret
            )));
        }
    }
    Ok(live)
}
