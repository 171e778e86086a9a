//! One question at a time: what is asked, which answers there are, and what an answer says.

use belay_cockpit::wire::{ExecutionView, StepView, Waiting, WaitingKind, WaitingOption};
use belay_cockpit::{Confirmation, Saying, UndoChoice};

use super::reason::ReasonFor;
use super::values::Values;
use crate::render::status::{is_left, shown};
use crate::style::Style;
use crate::text;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// Was a manual step done?
    Manual { step: String },
    /// Which branch?
    Decision { step: String, why: String, branches: Vec<WaitingOption> },
    /// May exactly this run?
    Approval { step: String, target: String, digest: String, undo: bool },
    /// The request expired: ask again?
    Renewal { step: String },
    /// What came of an act whose outcome is not known?
    Outcome { step: String, detail: String },
    /// What to do with an undo that cannot go on?
    Undo { step: String, detail: String, state: Vec<String>, choices: Vec<UndoChoice> },
    /// A step of the rollback failed.
    Recovery { step: String, detail: String },
    /// Values that are missing, with what was given so far.
    Values(Values),
    /// Items of a checklist that are open.
    Checklist { detail: String, items: Vec<WaitingOption> },
    /// It is paused.
    Paused,
    /// It could go on, and nobody drives it.
    Undriven,
    /// The execution failed at a step.
    Failure { step: String },
    /// Words for something that was picked.
    Reason(ReasonFor),
}

/// What an answer leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Say this.
    Say(Saying),
    /// Ask this next; afterwards the question before it.
    Ask(Question),
    /// Ask this instead.
    Instead(Question),
    /// Drive it here.
    Drive,
    /// Stop driving; the execution stays.
    Leave,
    /// Show what can be answered.
    Help,
    /// Nothing was understood, and why.
    Again(String),
    /// Drop the question, go back to the one before.
    Back,
}

impl Question {
    /// What an execution asks now; nothing while it goes on by itself.
    pub fn of(view: &ExecutionView) -> Option<Self> {
        let status = view.summary.status.as_str();
        if status == "paused" {
            return Some(Self::Paused);
        }
        if status == "failed" {
            let failed = view.steps.iter().rev().find(|step| matches!(step.status.as_str(), "failed" | "cancelled"))?;
            let undone = view.steps.iter().any(|step| matches!(step.status.as_str(), "undone" | "undo_failed"));
            return (!undone).then(|| Self::Failure { step: failed.name.clone() });
        }
        let Some(waiting) = view.summary.waiting_on.first() else {
            return is_left(&view.summary).then_some(Self::Undriven);
        };
        let step = waiting.step.clone().unwrap_or_default();
        let known = view.steps.iter().find(|known| waiting.is_about(&known.name));
        Some(match waiting.kind {
            WaitingKind::Manual => Self::Manual { step },
            WaitingKind::Decision => {
                Self::Decision { step, why: waiting.detail.clone(), branches: waiting.options.clone() }
            }
            // A step that is taken back can be approved or rejected, nothing else.
            WaitingKind::Approval => {
                approval(step, known, waiting.options.iter().any(|option| option.name == "reject"))
            }
            WaitingKind::Outcome => Self::Outcome { step, detail: waiting.detail.clone() },
            WaitingKind::Undo if waiting.options.is_empty() => Self::Recovery { step, detail: waiting.detail.clone() },
            WaitingKind::Undo => Self::Undo {
                step,
                detail: waiting.detail.clone(),
                state: undo_state(known),
                choices: waiting.options.iter().filter_map(|option| undo_choice(&option.name)).collect(),
            },
            WaitingKind::Input => Self::Values(Values::of(&waiting.options)),
            WaitingKind::Checklist => checklist(waiting),
        })
    }

    /// Whether it is the same question, however far its answer has come.
    pub fn is_again(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Values(one), Self::Values(other)) => one.missing == other.missing,
            _ => self == other,
        }
    }

    /// The question with its answers, and the prompt without a line end.
    pub fn ask(&self, style: Style) -> String {
        let (lead, choices, prompt) = self.parts(style);
        let mut out = String::from("\n");
        out.push_str(&lead);
        for (key, what) in &choices {
            out.push_str(&text::hang(&format!("  {}  ", style.bold(key)), "      ", what, style.columns));
        }
        put!(out, "{} {} ", style.bold(&prompt), style.dim("(? for help) ›"));
        out
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each question, next to each other")]
    fn parts(&self, style: Style) -> (String, Vec<(String, String)>, String) {
        let say = |lead: &str, content: &str| text::hang(lead, "  ", content, style.columns);
        let choice = |key: &str, what: &str| (key.to_owned(), what.to_owned());
        match self {
            Self::Manual { .. } => {
                let choices =
                    vec![choice("d", "done"), choice("f", "it failed"), choice("s", "skip it, with a reason")];
                (String::new(), choices, "Done?".to_owned())
            }
            Self::Decision { why, branches, .. } => {
                let mut choices: Vec<(String, String)> = branches
                    .iter()
                    .enumerate()
                    .map(|(index, branch)| {
                        let name = style.bold(&text::line(&branch.name));
                        ((index + 1).to_string(), format!("{name} — {}", text::line(&branch.description)))
                    })
                    .collect();
                choices.push(choice("s", "skip this decision, with a reason"));
                (say("", &text::block(why)), choices, format!("Which branch, 1 to {}?", branches.len()))
            }
            Self::Approval { target, undo, .. } => {
                let what = if *undo { "Taking this back" } else { "This" };
                let lead = format!(
                    "{what} needs an approval. To approve exactly what is shown above, type the target's name:\n{}",
                    style.bold(&text::line(target))
                );
                let mut choices = vec![choice("r", "reject: it does not run")];
                if !undo {
                    choices.push(choice("b", "I did it by hand instead"));
                    choices.push(choice("s", "skip it, with a reason"));
                }
                (say("", &lead), choices, "Target?".to_owned())
            }
            Self::Renewal { .. } => {
                let choices =
                    vec![choice("r", "ask again, with what would run now"), choice("s", "skip it, with a reason")];
                (say("", "The time for the approval is over. Nothing ran."), choices, "Ask again?".to_owned())
            }
            Self::Outcome { detail, .. } => {
                let choices = vec![
                    choice("1", "done: it happened"),
                    choice("2", "not done: it did not happen, and may start again"),
                    choice("3", "failed: it happened and went wrong"),
                    choice("4", "undo: take the step back"),
                ];
                let lead = format!(
                    "{} {}\nLook at the target before you answer; nothing starts again by itself.",
                    style.bad("!"),
                    text::block(detail)
                );
                (say("", &lead), choices, "What happened?".to_owned())
            }
            Self::Undo { detail, state, choices, .. } => {
                let mut lead = say("", &format!("{} {}", style.bad("! An undo is stuck."), text::block(detail)));
                for line in state {
                    lead.push_str(&text::hang("  ", "         ", line, style.columns));
                }
                let choices = choices.iter().map(|of| {
                    let (key, what) = undo_words(*of);
                    choice(key, what)
                });
                (lead, choices.collect(), "What now?".to_owned())
            }
            Self::Recovery { detail, .. } => {
                let choices = vec![
                    choice("r", "retry"),
                    choice("s", "skip it, with a reason"),
                    choice("b", "I did it by hand; go on after it"),
                ];
                (say("", &text::block(detail)), choices, "What now?".to_owned())
            }
            Self::Values(values) => values.parts(style),
            Self::Checklist { detail, items } => {
                let mut lead = say("", &style.bold(&text::block(detail)));
                for item in items {
                    let row = format!("  [ ] {}  ", text::line(&item.name));
                    lead.push_str(&text::hang(&row, "         ", &text::block(&item.description), style.columns));
                }
                let first = items.first().map(|item| text::line(&item.name)).unwrap_or_default();
                let choices = vec![
                    choice("y", &format!("item {first} is so")),
                    choice("all", "all of them are so"),
                    choice(&first, "or numbers, such as 1 3"),
                ];
                (lead, choices, format!("Item {first}?"))
            }
            Self::Paused => {
                let choices = vec![choice("r", "go on")];
                (say("", "It is paused. Nothing new starts."), choices, "Go on?".to_owned())
            }
            Self::Undriven => {
                let choices = vec![choice("r", "go on here")];
                (say("", "It can go on, and nobody drives it now."), choices, "Go on here?".to_owned())
            }
            Self::Failure { step } => {
                let lead = format!(
                    "{} at step {}. Nothing more happens by itself.",
                    style.bad("✗ It failed"),
                    text::line(step)
                );
                let choices = vec![
                    choice("r", "retry this step"),
                    choice("s", "skip it, with a reason"),
                    choice("b", "I did it by hand; go on after it"),
                    choice("u", "roll back: take back what was changed"),
                    choice("q", "leave it as it is"),
                ];
                (say("", &lead), choices, "What now?".to_owned())
            }
            Self::Reason(of) => (String::new(), Vec::new(), of.prompt().to_owned()),
        }
    }

    /// What a line means. Surrounding spaces do not count.
    pub fn answer(&self, line: &str) -> Reply {
        let line = line.trim();
        if let Self::Reason(of) = self {
            return of.answer(line);
        }
        // The target is what the question asks for, whatever it is called.
        if let Self::Approval { step, target, .. } = self
            && line == target
        {
            return Reply::Say(Saying::Approve {
                step: step.clone(),
                digest: None,
                target: Some(target.clone()),
                comment: None,
            });
        }
        match line {
            "?" | "h" | "help" => return Reply::Help,
            "n" | "note" => return Reply::Ask(Self::Reason(ReasonFor::Note)),
            "q" | "quit" | "leave" if !(line == "leave" && matches!(self, Self::Undo { .. })) => return Reply::Leave,
            "p" | "pause" if !matches!(self, Self::Paused | Self::Failure { .. }) => return Reply::Say(Saying::Pause),
            "a" | "abort" if !matches!(self, Self::Failure { .. }) => {
                return Reply::Ask(Self::Reason(ReasonFor::Abort));
            }
            _ => {}
        }
        self.own_answer(line)
    }

    #[expect(clippy::match_same_arms, reason = "the answers of one question stand together")]
    fn own_answer(&self, line: &str) -> Reply {
        let skip = |step: &str| Reply::Ask(Self::Reason(ReasonFor::Skip { step: step.to_owned() }));
        let word = line.to_ascii_lowercase();
        match (self, word.as_str()) {
            (Self::Manual { step }, "d" | "done" | "y" | "yes") => confirm(step, Confirmation::Done, false),
            (Self::Manual { step }, "f" | "failed") => confirm(step, Confirmation::Failed, false),
            (
                Self::Manual { step }
                | Self::Decision { step, .. }
                | Self::Approval { step, undo: false, .. }
                | Self::Renewal { step }
                | Self::Recovery { step, .. }
                | Self::Failure { step },
                "s" | "skip",
            ) => skip(step),
            (Self::Decision { step, branches, .. }, _) => decided(step, branches, line),
            (Self::Approval { step, .. }, "r" | "reject") => {
                Reply::Ask(Self::Reason(ReasonFor::Reject { step: step.clone() }))
            }
            (Self::Approval { step, undo: false, .. }, "b" | "by hand") => confirm(step, Confirmation::Done, true),
            (Self::Approval { target, .. }, "") => {
                Reply::Again(format!("nothing was approved; type `{}` to approve", text::line(target)))
            }
            (Self::Approval { target, .. }, _) => {
                Reply::Again(format!("that is not the target `{}`; nothing was approved", text::line(target)))
            }
            (Self::Renewal { step } | Self::Recovery { step, .. } | Self::Failure { step }, "r" | "retry") => {
                Reply::Say(Saying::Retry { step: step.clone() })
            }
            (Self::Failure { step } | Self::Recovery { step, .. }, "b" | "by hand") => {
                Reply::Ask(Self::Reason(ReasonFor::ByHand { step: step.clone() }))
            }
            (Self::Failure { .. }, "u" | "rollback" | "roll back") => Reply::Ask(Self::Reason(ReasonFor::Rollback)),
            (Self::Outcome { step, .. }, "1" | "done") => confirm(step, Confirmation::Done, false),
            (Self::Outcome { step, .. }, "2" | "not done" | "not-done") => confirm(step, Confirmation::NotDone, false),
            (Self::Outcome { step, .. }, "3" | "failed") => confirm(step, Confirmation::Failed, false),
            (Self::Outcome { step, .. }, "4" | "undo") => confirm(step, Confirmation::Undo, false),
            (Self::Undo { step, choices, .. }, _) => settle(step, choices, &word),
            (Self::Values(values), _) => values.answer(line),
            (Self::Checklist { items, .. }, _) => checked(items, &word),
            (Self::Paused, "r" | "resume" | "y" | "yes") => Reply::Say(Saying::Resume),
            (Self::Undriven, "r" | "resume" | "y" | "yes") => Reply::Drive,
            (
                Self::Manual { .. }
                | Self::Renewal { .. }
                | Self::Outcome { .. }
                | Self::Recovery { .. }
                | Self::Paused
                | Self::Undriven
                | Self::Failure { .. }
                | Self::Reason(_),
                _,
            ) => none_of_them(),
        }
    }

    /// What can be typed here.
    pub fn help(&self, execution: &str, style: Style) -> String {
        let mut out = String::from("\n");
        let mut put = |key: &str, what: &str| {
            out.push_str(&text::hang(
                &format!("  {}  ", style.bold(&text::pad(key, 2))),
                "      ",
                what,
                style.columns,
            ));
        };
        put("n", "note: put a remark into the log");
        if !matches!(self, Self::Paused | Self::Failure { .. }) {
            put("p", "pause: start nothing new");
        }
        if !matches!(self, Self::Failure { .. }) {
            put("a", "abort: end it without taking anything back");
        }
        put("q", &format!("leave safely: it stays as it is, `belay resume {}` goes on", text::short(execution)));
        put("^C", "once cancels what runs, twice leaves safely");
        if matches!(self, Self::Values(_)) {
            put("<", "back to the value before");
            put("=", "before a value takes it as it is: =n is the value n");
        }
        out
    }
}

fn approval(step: String, known: Option<&StepView>, undo: bool) -> Question {
    match known.and_then(|known| known.approval.as_ref()).filter(|approval| approval.status == "waiting") {
        Some(approval) => {
            Question::Approval { step, target: approval.target.clone(), digest: approval.digest.clone(), undo }
        }
        None => Question::Renewal { step },
    }
}

fn undo_state(known: Option<&StepView>) -> Vec<String> {
    let detail = known.and_then(|known| known.undo.as_ref()).and_then(|undo| undo.detail.as_ref());
    ["before", "after", "live", "error"]
        .into_iter()
        .filter_map(|name| {
            let value = detail?.get(name).filter(|value| !value.is_null())?;
            Some(format!("{} {}", text::pad(name, 6), shown(value)))
        })
        .collect()
}

fn checklist(waiting: &Waiting) -> Question {
    Question::Checklist { detail: waiting.detail.clone(), items: waiting.options.clone() }
}

fn confirm(step: &str, outcome: Confirmation, by_hand: bool) -> Reply {
    Reply::Say(Saying::Confirm { step: step.to_owned(), outcome, by_hand, note: None })
}

fn settle(step: &str, choices: &[UndoChoice], word: &str) -> Reply {
    let word = if word == "by hand" { "by-hand" } else { word };
    let meant = |choice: &&UndoChoice| undo_words(**choice).0 == word || undo_choice(word) == Some(**choice);
    match choices.iter().find(meant) {
        Some(choice) => Reply::Say(Saying::SettleUndo { step: step.to_owned(), choice: *choice, note: None }),
        None => none_of_them(),
    }
}

fn none_of_them() -> Reply {
    Reply::Again("that is none of the answers; `?` shows them".to_owned())
}

/// The choice that a word of the contract names.
fn undo_choice(name: &str) -> Option<UndoChoice> {
    match name {
        "done" => Some(UndoChoice::Done),
        "retry" => Some(UndoChoice::Retry),
        "by-hand" => Some(UndoChoice::ByHand),
        "leave" => Some(UndoChoice::Leave),
        _ => None,
    }
}

/// A choice's key, and what it means.
fn undo_words(choice: UndoChoice) -> (&'static str, &'static str) {
    match choice {
        UndoChoice::Done => ("d", "done: this undo act happened; go on with the next one"),
        UndoChoice::Retry => ("r", "retry: compare again, and take it back if it fits"),
        UndoChoice::ByHand => ("b", "by hand: I took the whole step back myself"),
        UndoChoice::Leave => ("l", "leave it as it is"),
    }
}

fn decided(step: &str, branches: &[WaitingOption], line: &str) -> Reply {
    let by_name = branches.iter().find(|branch| branch.name == line);
    let by_number = || branches.get(line.parse::<usize>().ok()?.checked_sub(1)?);
    match by_name.or_else(by_number) {
        Some(branch) => Reply::Say(Saying::Decide { step: step.to_owned(), branch: branch.name.clone() }),
        None => Reply::Again(format!("type a number from 1 to {} or a branch's name", branches.len())),
    }
}

fn checked(items: &[WaitingOption], word: &str) -> Reply {
    let number = |name: &str| name.parse::<u32>().ok();
    let known: Vec<u32> = items.iter().filter_map(|item| number(&item.name)).collect();
    if word == "all" {
        return Reply::Say(Saying::Check { items: None, note: None });
    }
    let wanted: Option<Vec<u32>> = match word {
        "y" | "yes" => known.first().map(|first| vec![*first]),
        _ => word.split([' ', ',']).filter(|part| !part.is_empty()).map(number).collect(),
    };
    match wanted {
        Some(wanted) if !wanted.is_empty() && wanted.iter().all(|item| known.contains(item)) => {
            Reply::Say(Saying::Check { items: Some(wanted), note: None })
        }
        Some(_) | None => Reply::Again("type `y`, `all`, or numbers of items that are open".to_owned()),
    }
}
