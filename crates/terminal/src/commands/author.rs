//! Writing runbooks: new ones from questions, flags or Markdown, and edits in the person's editor.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use belay_cockpit::{Bump, Edit as Editing, Revision, read_markdown};
use belay_runbook::finding::{Finding, FindingLevel};
use belay_runbook::import;
use belay_runbook::model::{Category, Runbook, Severity, UnknownWord};
use serde_json::json;

use super::Desk;
use crate::arguments::{Edit, New, Part};
use crate::failure::{Exit, Failure};
use crate::guided::prompts;
use crate::render::findings;
use crate::{page, text};

pub fn new(desk: &Desk, new: &New) -> Result<Exit, Failure> {
    let name = import::runbook_name(&new.name).filter(|name| *name == new.name).ok_or_else(|| {
        let like = import::runbook_name(&new.name).unwrap_or_else(|| "restart-gateway".to_owned());
        Failure::usage(
            format!("`{}` cannot name a runbook", text::line(&new.name)),
            format!("use lower-case letters, digits and hyphens, such as `{like}`"),
        )
    })?;
    let (mut runbook, reported) = match &new.from {
        Some(path) => from_markdown(path)?,
        None => (import::blank(&name), Vec::new()),
    };
    name.clone_into(&mut runbook.name);
    apply(new, &mut runbook)?;
    if new.from.is_none() && desk.settings.input {
        let Some(()) = questions(desk, &mut runbook)? else {
            page::print("nothing was written\n")?;
            return Ok(Exit::Done);
        };
    }
    if runbook.title.is_none() {
        runbook.title = Some(new.name.replace('-', " "));
    }
    if runbook.steps.is_empty() {
        return Err(Failure::usage("a runbook needs at least one step", "add one with `--step 'TITLE=COMMAND'`"));
    }
    let trigger = &mut runbook.trigger;
    if trigger.alerts.is_empty() && trigger.prose.is_empty() && trigger.schedule.is_none() {
        trigger.manual = Some(true);
    }
    let dir = match &new.dir {
        Some(dir) => dir.clone(),
        None => desk.cockpit.own_directory()?.unwrap_or_else(|| PathBuf::from(".")),
    };
    let changes = match &new.from {
        Some(path) => format!("imported from {}", path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()),
        None => "written".to_owned(),
    };
    let path = desk.cockpit.write_new(&mut runbook, &dir, new.force, &changes)?;
    let mut found = reported;
    found.extend(desk.cockpit.validate(&path)?);
    let bundled = desk.cockpit.is_bundled(&runbook.name);
    let document = json!({
        "path": path.display().to_string(), "name": runbook.name, "bundled": bundled, "findings": found,
    });
    desk.show(&document, || {
        let style = desk.settings.style;
        let mut out = String::new();
        if !found.is_empty() {
            out.push_str(&findings::text(&found, 1, style));
        }
        let shown = text::line(&path.display().to_string());
        put!(out, "{} wrote {}\n", style.good("✓"), style.bold(&shown));
        let quoted = text::quoted(&shown);
        if bundled {
            let what = format!(
                "a bundled runbook is named `{}`, too; yours comes before it where its folder is in the catalog",
                text::line(&runbook.name)
            );
            out.push_str(&text::hang(&format!("{} ", style.care("warning:")), "  ", &what, style.columns));
        }
        put!(out, "{} `belay show {quoted}` shows it, `belay edit {quoted}` goes on\n", style.code("hint:"));
        out
    })?;
    Ok(Exit::Done)
}

fn from_markdown(path: &Path) -> Result<(Runbook, Vec<Finding>), Failure> {
    let import = read_markdown(path).map_err(|finding| Failure::Usage {
        message: format!("`{}`: {}", path.display(), finding.message),
        hint: finding.hint,
    })?;
    Ok((import.runbook, import.report.findings))
}

/// What was given with flags; it goes over what a Markdown file says.
fn apply(new: &New, runbook: &mut Runbook) -> Result<(), Failure> {
    if let Some(title) = &new.title {
        runbook.title = Some(title.clone());
    }
    if let Some(description) = &new.description {
        runbook.description = Some(description.clone());
    }
    let add = |list: &mut Vec<String>, more: &[String]| {
        for text in more {
            if !list.contains(text) {
                list.push(text.clone());
            }
        }
    };
    add(&mut runbook.trigger.alerts, &new.alerts);
    add(&mut runbook.services, &new.services);
    if let Some(severity) = &new.severity {
        runbook.severity = severity.parse::<Severity>().map_err(|error| unknown("severity", &error))?;
    }
    if let Some(category) = &new.category {
        runbook.category = Some(category.parse::<Category>().map_err(|error| unknown("category", &error))?);
    }
    for step in &new.steps {
        let (title, command) = step.split_once('=').unwrap_or((step, ""));
        add_step(runbook, title, command)?;
    }
    Ok(())
}

fn unknown(what: &str, error: &UnknownWord) -> Failure {
    Failure::usage(
        format!("`{}` is no {what}", text::line(&error.word)),
        format!("it is one of {}", error.known.join(", ")),
    )
}

fn add_step(runbook: &mut Runbook, title: &str, command: &str) -> Result<(), Failure> {
    import::add_step(runbook, title.trim(), command).map_err(|why| {
        Failure::usage(
            format!("the command of step `{}` cannot stand in a runbook: {why}", text::line(title)),
            "write it so that every value is an argument of its own",
        )
    })
}

/// Asks for what no flag said; nothing when the person goes away.
fn questions(desk: &Desk, runbook: &mut Runbook) -> Result<Option<()>, Failure> {
    let style = desk.settings.style;
    let heading = style.bold(&format!("A new runbook: {}", text::line(&runbook.name)));
    page::print(&format!("{heading}\nEnter leaves a question open; Ctrl-D ends without writing anything.\n\n"))?;
    let ask = |prompt: &str| prompts::ask(prompt, style);
    if runbook.title.is_none() {
        let Some(line) = ask("Title?")? else { return Ok(None) };
        runbook.title = Some(line).filter(|line| !line.is_empty());
    }
    if runbook.description.is_none() {
        let Some(line) = ask("What is it for, in a sentence or two?")? else { return Ok(None) };
        runbook.description = Some(line).filter(|line| !line.is_empty());
    }
    if runbook.trigger.alerts.is_empty() {
        let Some(line) = ask("Which alerts does it answer? (names, with commas)")? else { return Ok(None) };
        runbook.trigger.alerts = list(&line);
    }
    if runbook.documentation.symptoms.is_empty() {
        let Some(line) = ask("What do people see? (symptoms, with commas)")? else { return Ok(None) };
        runbook.documentation.symptoms = list(&line);
    }
    if runbook.services.is_empty() {
        let Some(line) = ask("Which services is it about? (with commas)")? else { return Ok(None) };
        runbook.services = list(&line);
    }
    if runbook.severity == Severity::All {
        loop {
            let Some(line) = ask("Severity? (sev1 to sev4; Enter: all)")? else { return Ok(None) };
            match line.parse::<Severity>() {
                Ok(severity) => runbook.severity = severity,
                Err(_) if line.is_empty() => {}
                Err(error) => {
                    page::print(&format!("  {error}\n"))?;
                    continue;
                }
            }
            break;
        }
    }
    loop {
        let number = runbook.steps.len() + 1;
        let Some(title) = ask(&format!("Step {number}: what is to be done? (Enter: no more steps)"))? else {
            return Ok(None);
        };
        if title.is_empty() {
            if runbook.steps.is_empty() {
                page::print("  a runbook needs at least one step\n")?;
                continue;
            }
            return Ok(Some(()));
        }
        loop {
            let Some(command) = ask("  with which command? (<pod> or $POD for a value; Enter: none)")? else {
                return Ok(None);
            };
            match import::add_step(runbook, &title, &command) {
                Ok(()) => break,
                Err(why) => page::print(&text::hang("  ", "  ", &text::block(&why), style.columns))?,
            }
        }
    }
}

fn list(line: &str) -> Vec<String> {
    line.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

pub fn edit(desk: &Desk, edit: &Edit) -> Result<Exit, Failure> {
    // An editor asks; where nobody is there, only one that was named on purpose may do without a person.
    if desk.settings.never_ask || (!desk.settings.input && editor().is_none()) {
        let why = if desk.settings.never_ask { "`--no-input` asks nobody" } else { "there is no terminal" };
        return Err(Failure::usage(
            format!("an editor needs a person, and {why}"),
            "change the file itself and look at it with `belay validate PATH`, or name an editor that needs no terminal in EDITOR",
        ));
    }
    let editing = begin(desk, edit)?;
    if desk.settings.input && editing.left_over {
        let draft = text::line(&editing.draft.display().to_string());
        page::print(&format!("going on with the draft of an earlier edit, `{draft}`\n"))?;
    }
    loop {
        run_editor(&editing)?;
        let (changed, found) = desk.cockpit.look_at_draft(&editing)?;
        if !changed {
            desk.cockpit.discard_draft(&editing)?;
            desk.show(&json!({ "changed": false, "path": editing.target.display().to_string() }), || {
                "nothing changed\n".to_owned()
            })?;
            return Ok(Exit::Done);
        }
        let wrong = found.iter().any(|finding| finding.severity == FindingLevel::Error);
        if !desk.settings.input {
            return without_questions(desk, edit, &editing, &found, wrong);
        }
        page::print(&findings::text(&found, 1, desk.settings.style))?;
        match choice(desk, wrong)? {
            Choice::Again => {}
            Choice::Keep => {
                let revision = revision(desk, edit, &editing, wrong)?;
                return keep(desk, &editing, revision.as_ref(), &found);
            }
            Choice::Discard => {
                desk.cockpit.discard_draft(&editing)?;
                page::print("discarded; the runbook is as it was\n")?;
                return Ok(Exit::Done);
            }
            Choice::Leave => {
                let draft = text::line(&editing.draft.display().to_string());
                page::print(&format!("the runbook is as it was; your draft is in `{draft}`\n"))?;
                return Ok(Exit::Done);
            }
        }
    }
}

fn begin(desk: &Desk, edit: &Edit) -> Result<Editing, Failure> {
    let own = desk.cockpit.own_directory()?;
    let dir = edit.dir.clone().or(own.clone());
    let failed = match desk.cockpit.begin_edit(&edit.runbook, dir.as_deref()) {
        Ok(editing) => return Ok(editing),
        Err(error) => error,
    };
    // A bundled runbook needs a folder for its copy, which a person can name.
    if !(desk.settings.input && dir.is_none() && failed.message.contains("is bundled")) {
        return Err(failed.into());
    }
    page::print("This runbook is bundled. Your copy of it comes first from then on.\n")?;
    let style = desk.settings.style;
    let Some(folder) = prompts::ask("In which folder is your copy to be? (Enter: nowhere)", style)? else {
        return Err(failed.into());
    };
    if folder.is_empty() {
        return Err(failed.into());
    }
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::usage(format!("`{}` cannot be made: {error}", folder.display()), "name another folder")
    })?;
    desk.cockpit.catalog_add(&folder)?;
    page::print(&format!("added `{}` to the catalog\n", text::line(&folder.display().to_string())))?;
    Ok(desk.cockpit.begin_edit(&edit.runbook, Some(&folder))?)
}

/// The editor that the environment names.
fn editor() -> Option<String> {
    let chosen = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    chosen.map(|editor| editor.trim().to_owned()).find(|editor| !editor.is_empty())
}

/// Runs the editor on the draft and waits for it.
fn run_editor(editing: &Editing) -> Result<(), Failure> {
    let editor = editor().unwrap_or_else(|| "vi".to_owned());
    // As everywhere, the variable holds a command line; the file is an argument that no shell parses.
    let status = Process::new("/bin/sh")
        .args(["-c", &format!("exec {editor} \"$1\""), "sh"])
        .arg(&editing.draft)
        .status()
        .map_err(|source| Failure::Setup { what: "the editor cannot be started", source })?;
    if status.success() {
        return Ok(());
    }
    let ended = status.code().map_or_else(|| "was killed".to_owned(), |code| format!("ended with {code}"));
    Err(Failure::usage(
        format!("the editor `{}` {ended}; the runbook is as it was", text::line(&editor)),
        format!("your draft is in `{}`, and `belay edit` goes on with it", editing.draft.display()),
    ))
}

enum Choice {
    Again,
    Keep,
    Discard,
    Leave,
}

fn choice(desk: &Desk, wrong: bool) -> Result<Choice, Failure> {
    let style = desk.settings.style;
    let note = if wrong { " (it does not run with errors)" } else { "" };
    page::print(&format!("  e  edit again\n  k  keep it{note}\n  d  discard it\n"))?;
    let default = if wrong { "e" } else { "k" };
    loop {
        let Some(line) = prompts::ask(&format!("Which? (Enter: {default})"), style)? else { return Ok(Choice::Leave) };
        return Ok(match if line.is_empty() { default } else { line.as_str() } {
            "e" | "edit" => Choice::Again,
            "k" | "keep" => Choice::Keep,
            "d" | "discard" => Choice::Discard,
            "q" | "quit" => Choice::Leave,
            _ => {
                page::print("  type e, k or d\n")?;
                continue;
            }
        });
    }
}

fn bump(part: Part) -> Option<Bump> {
    match part {
        Part::Major => Some(Bump::Major),
        Part::Minor => Some(Bump::Minor),
        Part::Patch => Some(Bump::Patch),
        Part::None => None,
    }
}

/// What goes into the changelog; nothing where the person has noted it or wants no entry.
fn revision(desk: &Desk, edit: &Edit, editing: &Editing, wrong: bool) -> Result<Option<Revision>, Failure> {
    let bump = bump(edit.bump);
    if let Some(note) = &edit.note {
        return Ok(Some(Revision { changes: note.clone(), bump }));
    }
    if wrong {
        return Ok(None);
    }
    let next = desk.cockpit.next_version(editing, bump.unwrap_or(Bump::Patch))?;
    let prompt = match (&next, bump) {
        // Whoever changed the version or the changelog has noted it.
        (None, _) => return Ok(None),
        (Some(version), Some(_)) => format!("What changed? (for the changelog, version {version}; Enter: no entry)"),
        (Some(_), None) => "What changed? (for the changelog; Enter: no entry)".to_owned(),
    };
    let line = prompts::ask(&prompt, desk.settings.style)?;
    Ok(line.filter(|line| !line.is_empty()).map(|changes| Revision { changes, bump }))
}

/// Without a person to ask a draft with errors waits, and one without is kept.
fn without_questions(
    desk: &Desk,
    edit: &Edit,
    editing: &Editing,
    found: &[Finding],
    wrong: bool,
) -> Result<Exit, Failure> {
    if wrong {
        let draft = editing.draft.display().to_string();
        desk.show(&json!({ "changed": true, "kept": false, "draft": draft, "findings": found }), || {
            let mut out = findings::text(found, 1, desk.settings.style);
            put!(out, "the runbook is as it was; your draft is in `{}`\n", text::line(&draft));
            out
        })?;
        return Ok(Exit::Failed);
    }
    let revision = edit.note.clone().map(|changes| Revision { changes, bump: bump(edit.bump) });
    keep(desk, editing, revision.as_ref(), found)
}

fn keep(desk: &Desk, editing: &Editing, revision: Option<&Revision>, found: &[Finding]) -> Result<Exit, Failure> {
    let kept = desk.cockpit.keep_draft(editing, revision)?;
    let path = kept.path.display().to_string();
    let document = json!({
        "changed": true, "kept": true, "path": path, "version": kept.version, "noted": kept.noted, "findings": found,
    });
    desk.show(&document, || {
        let style = desk.settings.style;
        let mut out = String::new();
        if !desk.settings.input && !found.is_empty() {
            out.push_str(&findings::text(found, 1, style));
        }
        let version = kept.version.as_deref().map(|version| format!(", version {}", text::line(version)));
        put!(out, "{} kept {}{}\n", style.good("✓"), style.bold(&text::line(&path)), version.unwrap_or_default());
        if revision.is_some() && !kept.noted {
            put!(
                out,
                "the file is written in a way that belay cannot note a change in; add it to `changelog` yourself\n"
            );
        }
        if editing.copies {
            out.push_str("it comes before the bundled one where its folder is in the catalog\n");
        }
        out
    })?;
    Ok(Exit::Done)
}
