//! The rules: their ids, levels and what to do about them. Ids are stable; tools and people refer to them.

use crate::finding::{Finding, FindingLevel, Position};

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable kebab-case id.
    pub id: &'static str,
    /// Error or warning.
    pub level: FindingLevel,
    /// One line: what it finds.
    pub summary: &'static str,
    /// Why it matters and what to do about it.
    pub help: &'static str,
}

impl Rule {
    /// Makes a finding of this rule.
    pub fn at(&self, file: &str, position: Position, message: impl Into<String>) -> Finding {
        Finding {
            file: file.to_owned(),
            position,
            rule: self.id,
            severity: self.level,
            message: message.into(),
            hint: None,
        }
    }
}

macro_rules! rules {
    ($($name:ident $id:literal $level:ident $summary:literal $help:literal;)+) => {
        $(
            #[doc = $summary]
            pub static $name: Rule = Rule {
                id: $id,
                level: FindingLevel::$level,
                summary: $summary,
                help: $help,
            };
        )+

        /// Every rule, in the order of the documentation.
        pub static RULES: &[&Rule] = &[$(&$name),+];
    };
}

rules! {
    NOT_UTF8 "not-utf8" Error "The file is not UTF-8 text."
        "Runbook files are UTF-8. Save the file in that encoding.";
    NOT_YAML "not-yaml" Error "The file is not YAML that a runbook may use."
        "The YAML syntax is broken, or it uses a part of YAML that runbooks leave out, such as custom tags, keys that are not text, or control characters.";
    TOO_LARGE "too-large" Error "The file is larger than a runbook may be."
        "A runbook has at most 1 MiB and 100000 values. Split it into related runbooks.";
    TOO_DEEP "too-deep" Error "The file nests deeper than 64 levels."
        "Nothing in a runbook needs such nesting; flatten the structure.";
    ALIASES "aliases" Error "Anchors, aliases or merge keys are used beyond what is allowed."
        "A few aliases are fine. Many of them, an alias inside its own anchor, and merge keys (`<<`) are refused, because a small file could stand for an enormous one. Write the values out.";
    DUPLICATE_KEY "duplicate-key" Error "A map has the same key twice."
        "YAML readers disagree about which of the two counts. Remove one.";
    NOT_A_RUNBOOK "not-a-runbook" Error "The document is no runbook."
        "A runbook file holds one document with `apiVersion: sre.oversight.io/v1` and `kind: Runbook`.";
    UNKNOWN_FIELD "unknown-field" Error "A field that the format does not have."
        "A misspelt field would silently do nothing, so it is an error. Fix its spelling or remove it.";
    WRONG_TYPE "wrong-type" Error "A value has a type or form that its field does not take."
        "Write the value as the message says. Text that looks like a number, `true` or `null` needs quotes.";
    MISSING_FIELD "missing-field" Error "A field that must be there is not."
        "Add the field.";
    SEVERAL_ACTS "several-acts" Error "A step or undo names more than one of `action`, `commands` and `automation`."
        "A step performs one thing. Split it into several steps.";
    STRAY_PARAMETERS "stray-parameters" Error "`parameters` stands without `action` or `automation`."
        "Parameters belong to an action or automation. Commands take `{name}` placeholders instead.";
    RESERVED_NAME "reserved-name" Error "A step has a name that `next` or `onFailure` understands otherwise."
        "`end`, `stop`, `escalate` and `rollback` are words of the format. Choose another name.";
    DUPLICATE_STEP "duplicate-step" Error "Two steps have the same name."
        "Names tell steps apart in `next`, in branches and in the record of an execution. Rename one.";
    DANGLING_STEP "dangling-step" Error "A step is named that does not exist."
        "Fix the name in `next`, the branch, `onFailure` or `rollback`, or add the step.";
    DANGLING_RUNBOOK "dangling-runbook" Warning "A related runbook does not exist in this catalog."
        "Fix the id or name, add the runbook, or remove the line.";
    UNREACHABLE_STEP "unreachable-step" Warning "No path from the first step leads to a step."
        "Lead to it with `next`, a branch, `onFailure` or `rollback`, or remove it.";
    FALL_THROUGH "fall-through" Warning "A step runs on into a sibling branch or into an undo step only because that one comes next in the file."
        "Without `next` the flow goes on with the next step in the file. At the end of a branch that is another branch, or a step that takes an earlier one back. Say where it goes with `next: STEP` or `next: end`.";
    LOOP_WITHOUT_EXIT "loop-without-exit" Error "Steps lead to each other for ever."
        "No path leads from this step to the end. Give the loop a decision with a way out, or `next: end`.";
    FAILURE_LOOP "failure-loop" Error "A failure leads back to where it came from, without a way out."
        "As long as the step fails, nothing ends this way. `retries` tries a step again; a loop that mends something needs a manual step, an approval, or a decision with a branch that leads out of it.";
    REPEATED_CHANGE "repeated-change" Warning "A loop repeats a change that does not bear repeating, without a person."
        "Belay stops and asks where a failure leads back to such a change, or when a loop goes round too often. Ask for an approval, put a manual step into the loop, or use an action that may be performed twice.";
    UNDECLARED_VARIABLE "undeclared-variable" Error "A placeholder that nothing can supply."
        "Declare the variable under `inputs`, or fix its name.";
    UNSAFE_VALUE "unsafe-value" Error "A placeholder stands where no encoding makes its value safe."
        "Inside a nested shell, `eval`, `ssh`, a here-document or a comment a value could become code. Pass it as an argument of its own.";
    TEMPLATE_SYNTAX "template-syntax" Error "A template expression does not parse."
        "Templates look like `{{ .Alert.Labels.pod }}` or `{{ multiply .CurrentMemory 1.5 }}`.";
    COMMAND_SYNTAX "command-syntax" Error "A command that no shell would take."
        "Something in the command or script is left open, or an argument vector is empty.";
    UNLIKELY_PLACEHOLDER "unlikely-placeholder" Warning "Braces that are almost a placeholder."
        "Only the name of a declared input in braces is a placeholder; anything else stays as it is. Fix its spelling or declare it.";
    CONDITION_SYNTAX "condition-syntax" Error "A condition is neither a literal nor a comparison."
        "Conditions are literals (`healthy: true`) or comparisons with a number (`\"< 80\"`, `\"!= x\"`); `\"== text\"` compares with text that starts like a comparison. `when` is a template that gives true or false.";
    MUTATING_WITHOUT_UNDO "mutating-without-undo" Warning "A step changes something and nothing says how to take it back."
        "Add `rollback` with an action, commands or a step; or say `rollback: {irreversible: reason}`, which the plan shows before anything runs.";
    DESTRUCTIVE_WITHOUT_APPROVAL "destructive-without-approval" Warning "A step destroys something and the runbook asks nobody."
        "Add `approval: {required: true}` to the step or the runbook. The policy may ask all the same.";
    CHANGE_WITHOUT_VERIFICATION "change-without-verification" Warning "After a change nothing verifies the result before the end."
        "Add a verification step, or `validation.postCondition` to the change.";
    CHANGING_VERIFICATION "changing-verification" Error "A verification performs an action that changes something."
        "A verification only reads. Move the change into a step of its own.";
    DECISION_WITHOUT_BRANCHES "decision-without-branches" Error "A decision has no branches."
        "Add `branches`, or make it a manual step.";
    STRAY_BRANCHES "stray-branches" Error "A step that is no decision has branches."
        "Only `type: decision` branches; leave `type` out or correct it.";
    OVERDUE_REVIEW "overdue-review" Warning "The review date has passed."
        "Review the runbook and set a new `reviewDate`. An overdue runbook still runs.";
    MISSING_TITLE "missing-title" Warning "The runbook has no title."
        "Add `spec.name`: people look for it during an incident.";
    MISSING_DESCRIPTION "missing-description" Warning "The runbook, or a step that a person performs, says nothing about itself."
        "Say in a sentence or two what it is for or what to do.";
    MISSING_TRIGGERS "missing-triggers" Warning "Nothing says what starts the runbook."
        "Add `spec.trigger` with alerts, a schedule, `manual: true` or prose.";
    MISSING_STEPS "missing-steps" Error "The runbook has no steps."
        "Add at least one step under `spec.steps`.";
    UNKNOWN_ACTION "unknown-action" Error "An action that does not exist."
        "Fix its name; the list of actions has every name.";
    UNKNOWN_AUTOMATION "unknown-automation" Error "An automation that is not registered."
        "Fix its name, or register the automation.";
    UNKNOWN_PARAMETER "unknown-parameter" Warning "A parameter that the action does not take."
        "The action ignores it. Fix its spelling or remove it.";
    MISSING_PARAMETER "missing-parameter" Error "A parameter that the action needs is not given."
        "Add the parameter.";
    WRONG_PARAMETER "wrong-parameter" Error "A parameter has a type or form that the action does not take."
        "Write the value as the message says; a template is accepted everywhere.";
    UNKNOWN_FACT "unknown-fact" Warning "A prerequisite asks for a fact that the step's action does not answer."
        "The prerequisite can never hold by itself. Use a fact of the action, or check it in a step of its own.";
    DEAD_COMMAND "dead-command" Warning "A command that a current tool does not have, or that needs a terminal."
        "Replace it as the hint says.";
    EFFECT_LOWERED "effect-lowered" Error "`effect` claims less than the step does."
        "A runbook may raise an effect, never lower it. Remove `effect` or raise it.";
    WRONG_INPUT "wrong-input" Error "An input's default, options or pattern contradict its type."
        "Write defaults and options in the declared type; options and defaults must agree, and a pattern must be a regular expression for a string.";
    UNREADABLE "unreadable" Error "A file of the catalog that cannot be read."
        "Mend its permissions, or take the file out of the directory.";
    PASSED_OVER "passed-over" Warning "Something in a directory of the catalog that is no runbook although it looks like one."
        "Pipes, sockets and devices are never opened, links to directories are not followed, and an empty file says nothing. Remove it, or add what it leads to.";
    NEVER_RUN "never-run" Warning "A runbook that was never executed on this device."
        "Nobody here knows whether it works. Rehearse it before an incident does.";
    LONG_WITHOUT_SUCCESS "long-without-success" Warning "A runbook whose last success is long ago, or that has never succeeded."
        "Rehearse it, and mend what fails.";
    UNKNOWN_PROGRAM "unknown-program" Warning "A command starts a program that this device does not have."
        "Install the program, or fix its name.";
    DEAD_LINK "dead-link" Warning "A link of a runbook leads nowhere."
        "Fix or remove the link: whoever follows it has no time to look for the page.";
    ALERT_WITHOUT_RUNBOOK "alert-without-runbook" Warning "An alerting rule that no runbook is triggered by."
        "Write a runbook for it, or add the alert to the `trigger.alert` of one.";
    RUNBOOK_WITHOUT_RULE "runbook-without-rule" Warning "A runbook waits for an alert that no rule raises."
        "Fix the alert's name, or remove it: the runbook would never be suggested.";
    NOT_ALERT_RULES "not-alert-rules" Error "A file without groups of Prometheus rules."
        "Give a Prometheus rule file with `groups`, or a `PrometheusRule`.";
}

/// Errors that an execution holds in check at the step in which they stand: it asks for the value, is refused, stops
/// before it repeats a change, or counts as what it does. Any other error keeps a runbook from being started.
pub static HELD_IN_CHECK: &[&Rule] = &[&UNSAFE_VALUE, &UNDECLARED_VARIABLE, &FAILURE_LOOP, &EFFECT_LOWERED];

/// Finds a rule by its id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
