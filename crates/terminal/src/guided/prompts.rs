//! Questions before an execution exists: what is wrong, which runbook, which values.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::time::Duration;

use belay_cockpit::wire::Candidate;
use belay_cockpit::{Cockpit, CockpitError, StartRequest};
use belay_runbook::model::{InputKind, InputSpec, Runbook};

use super::{session, values};
use crate::failure::Failure;
use crate::page;
use crate::render::status::shown;
use crate::style::Style;
use crate::text;

/// Asks for one line; `None` when the input ended.
pub fn ask(prompt: &str, style: Style) -> Result<Option<String>, Failure> {
    page::print(&format!("{} {} ", style.bold(prompt), style.dim("›")))?;
    let mut line = String::new();
    let read = std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|source| Failure::Setup { what: "standard input cannot be read", source })?;
    if read == 0 {
        page::print("\n")?;
        return Ok(None);
    }
    Ok(Some(line.trim().to_owned()))
}

/// Asks which of so many; `None` when the person goes away.
pub fn pick(prompt: &str, count: usize, style: Style) -> Result<Option<usize>, Failure> {
    loop {
        let Some(line) = ask(prompt, style)? else { return Ok(None) };
        if matches!(line.as_str(), "" | "q" | "quit") {
            return Ok(None);
        }
        match line.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|index| *index < count) {
            Some(index) => return Ok(Some(index)),
            None => page::print(&format!("  type a number from 1 to {count}, or Enter to leave\n"))?,
        }
    }
}

/// Asks for values that are missing, each judged where it is typed; `None` when the person goes away.
pub async fn values(
    cockpit: &Cockpit,
    request: &StartRequest,
    runbook: &Runbook,
    missing: &[String],
    style: Style,
) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let mut request = request.clone();
    let mut given: Vec<(String, String)> = Vec::new();
    if missing.is_empty() {
        return Ok(Some(BTreeMap::new()));
    }
    let what = text::count(missing.len(), "value is", "values are");
    page::print(&format!("{what} needed before it starts (? for help):\n"))?;
    while let Some(name) = missing.get(given.len()) {
        let spec = runbook.inputs.get(name);
        page::print(&about(name, spec, style))?;
        let found = look(cockpit, &request, name, spec, style).await?;
        loop {
            let Some(line) = ask(&format!("  {} =", text::line(name)), style)? else { return Ok(None) };
            let value = match line.as_str() {
                "" => {
                    page::print("  a value is needed; Ctrl-D leaves, and nothing has started\n")?;
                    continue;
                }
                "?" => {
                    page::print(HELP)?;
                    continue;
                }
                "<" => {
                    let Some((name, _)) = given.pop() else {
                        page::print("  this is the first value\n")?;
                        continue;
                    };
                    request.variables.remove(&name);
                    break;
                }
                line => match values::meant(line, &found) {
                    // A list of candidates stands where no options do.
                    Ok(value) if !found.is_empty() => value.to_owned(),
                    Ok(_) => typed(line, spec),
                    Err(why) => {
                        page::print(&format!("  {} {}\n", style.care("?"), text::line(&why)))?;
                        continue;
                    }
                },
            };
            match cockpit.judge_value(&request, name, &value) {
                Ok(()) => {
                    request.variables.insert(name.clone(), value.clone());
                    given.push((name.clone(), value));
                    break;
                }
                Err(error) => page::print(&refused(&error, style))?,
            }
        }
    }
    Ok(Some(given.into_iter().collect()))
}

/// Shows what a value could be, and gives it back to pick from.
async fn look(
    cockpit: &Cockpit,
    request: &StartRequest,
    name: &str,
    spec: Option<&InputSpec>,
    style: Style,
) -> Result<Vec<Candidate>, Failure> {
    if spec.is_some_and(|spec| spec.kind != InputKind::String || !spec.options.is_empty()) {
        return Ok(Vec::new());
    }
    let names = [name.to_owned()];
    let mut looking = std::pin::pin!(cockpit.candidates(request, &names));
    let found = tokio::select! {
        found = &mut looking => found,
        () = tokio::time::sleep(SOON) => {
            page::print(&style.dim("      looking for what it could be …\n"))?;
            looking.await
        }
    };
    let Some(found) = found?.into_iter().next() else { return Ok(Vec::new()) };
    if !found.candidates.is_empty() {
        // A number that was typed before there was a list picks nothing from it.
        session::forget_typed();
    }
    page::print(&values::list(&found, "      ", style))?;
    Ok(found.candidates)
}

/// How long a list is waited for without a word.
const SOON: Duration = Duration::from_millis(300);

/// What can be typed where a value is asked for.
const HELP: &str = "  <       back to the value before\n  =TEXT   takes TEXT as it is, such as =< or =?\n  \
                    Ctrl-D  leaves; nothing has started\n";

/// The value that a line means: itself after an equals sign, an option, or the number of one.
fn typed(line: &str, spec: Option<&InputSpec>) -> String {
    if let Some(exact) = line.strip_prefix('=') {
        return exact.to_owned();
    }
    let options: Vec<String> = spec.map(|spec| spec.options.iter().map(shown).collect()).unwrap_or_default();
    if options.iter().any(|option| option == line) {
        return line.to_owned();
    }
    let picked = line.parse::<usize>().ok().and_then(|number| options.get(number.checked_sub(1)?));
    picked.cloned().unwrap_or_else(|| line.to_owned())
}

/// Why a value was not taken, and what to do about it.
pub fn refused(error: &CockpitError, style: Style) -> String {
    let mut out = text::hang(&format!("  {} ", style.care("?")), "    ", &text::block(&error.message), style.columns);
    if let Some(hint) = &error.hint {
        out.push_str(&text::hang("    ", "    ", &text::block(hint), style.columns));
    }
    out
}

fn about(name: &str, spec: Option<&InputSpec>, style: Style) -> String {
    let Some(spec) = spec else { return String::new() };
    let kind = match spec.kind {
        InputKind::String => "text",
        InputKind::Integer => "a whole number",
        InputKind::Number => "a number",
        InputKind::Boolean => "true or false",
        InputKind::Secret => "the name of a secret",
    };
    let lead = format!("  {} ({kind})  ", style.bold(&text::line(name)));
    let what = text::block(spec.description.as_deref().unwrap_or_default());
    let mut out = text::hang(&lead, "      ", &what, style.columns);
    for (index, option) in spec.options.iter().enumerate() {
        put!(out, "      {}. {}\n", index + 1, shown(option));
    }
    out
}
