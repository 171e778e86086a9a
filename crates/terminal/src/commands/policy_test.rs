//! `belay policy test`: cases of a policy.

use std::path::Path;

use belay_runbook::policy::{Judgement, Policy, PolicyCases};
use serde_json::json;

use super::Desk;
use crate::arguments::PolicyTest;
use crate::failure::{Exit, Failure};
use crate::render::findings;
use crate::style::Style;
use crate::text;

pub fn policy_test(desk: &Desk, test: &PolicyTest) -> Result<Exit, Failure> {
    let name = test.cases.display().to_string();
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            Failure::usage(format!("`{}` cannot be read: {error}", path.display()), "name a file of cases")
        })
    };
    let cases = match PolicyCases::parse(&name, &read(&test.cases)?) {
        Ok(cases) => cases,
        Err(found) => {
            desk.show(&found, || findings::text(&found, 1, desk.settings.style))?;
            return Ok(Exit::Usage);
        }
    };
    let beside = |file: &String| test.cases.parent().unwrap_or(Path::new("")).join(file);
    let named = test.policy.clone().or_else(|| cases.policy.as_ref().map(beside));
    let (source, yaml) = if let Some(path) = named {
        (path.display().to_string(), read(&path)?)
    } else {
        let in_force = desk.cockpit.policy()?;
        (in_force.source, in_force.yaml.into_bytes())
    };
    let policy = match Policy::parse(&source, &yaml) {
        Ok(policy) => policy,
        Err(found) => {
            desk.show(&found, || findings::text(&found, 1, desk.settings.style))?;
            return Ok(Exit::Usage);
        }
    };
    let mut judged = Vec::with_capacity(cases.cases.len());
    for case in &cases.cases {
        let judgement = case.judge(&policy, &**desk.cockpit.registry()).map_err(|problem| {
            Failure::usage(format!("case `{}`: {problem}", case.name), "`belay actions list` shows the actions")
        })?;
        judged.push(judgement);
    }
    let ok = judged.iter().all(|judgement| judgement.ok);
    let document = json!({ "ok": ok, "source": source, "digest": policy.digest(), "cases": judged });
    desk.show(&document, || shown(&source, &judged, desk.settings.style))?;
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

fn shown(source: &str, judged: &[Judgement], style: Style) -> String {
    let mut out = format!("policy {}\n", text::line(source));
    for judgement in judged {
        let mark = if judgement.ok { style.good("✓") } else { style.bad("✗") };
        let said = format!("{}  {}", text::line(&judgement.name), style.dim(judgement.verdict.as_str()));
        out.push_str(&text::hang(&format!("{mark} "), "  ", &said, style.columns));
        if judgement.ok {
            continue;
        }
        for difference in &judgement.differences {
            out.push_str(&text::hang("    ", "      ", &text::line(difference), style.columns));
        }
        for reason in &judgement.reasons {
            let said = format!("rule `{}`: {}", text::line(&reason.rule), text::line(&reason.text));
            out.push_str(&text::hang("    ", "      ", &style.dim(&said), style.columns));
        }
    }
    let failed = judged.iter().filter(|judgement| !judgement.ok).count();
    put!(out, "\n{}, {failed} not as expected\n", text::count(judged.len(), "case", "cases"));
    out
}
