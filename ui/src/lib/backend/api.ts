// Made from crates/cockpit/src/api; do not edit. `make types` writes it anew.

/**
 * The program, the person and the device.
 */
export type About = { 
/**
 * Belay's version.
 */
version: string, 
/**
 * The person.
 */
responder: string, 
/**
 * The start of the device's key id.
 */
device: string, 
/**
 * The folder that holds everything.
 */
home: string, 
/**
 * The current context.
 */
context: string, 
/**
 * Its environment.
 */
environment: string, };

/**
 * One rendered act.
 */
export type ActView = { 
/**
 * The action.
 */
action: string, 
/**
 * One line for people.
 */
description: string, 
/**
 * Its parameters as they will be performed.
 */
parameters: JsonValue, 
/**
 * Its effect.
 */
effect: string, 
/**
 * What it is aimed at.
 */
target: string, 
/**
 * What was read about it: how many pods it evicts, from which revision to which it goes.
 */
notes: Array<string>, };

/**
 * The runbooks for a payload.
 */
export type AlertAnswer = { 
/**
 * Its alerts, each once: those that fire first.
 */
alerts: Array<AlertView>, 
/**
 * What there is to know about the payload: duplicates, alerts that are over.
 */
notes: Array<string>, };

/**
 * A payload of alerts.
 */
export type AlertRequest = { 
/**
 * An Alertmanager payload or a single alert, JSON.
 */
payload: string, 
/**
 * Only the alert with this fingerprint.
 */
fingerprint?: string | null, };

/**
 * One alert with the runbooks that may help.
 */
export type AlertView = { 
/**
 * `alertname`.
 */
name: string, 
/**
 * Whether it is over.
 */
resolved: boolean, 
/**
 * Alertmanager's fingerprint.
 */
fingerprint: string | null, 
/**
 * Labels; whoever can send a metric can choose them.
 */
labels: { [key in string]: string }, 
/**
 * Annotations.
 */
annotations: { [key in string]: string }, 
/**
 * When it began, as written.
 */
starts_at: string | null, 
/**
 * How many copies of it came besides.
 */
duplicates: number, 
/**
 * The runbooks, best first.
 */
runbooks: Array<SearchHit>, 
/**
 * The alert as a start takes it.
 */
value: JsonValue, };

/**
 * An approval.
 */
export type ApprovalView = { 
/**
 * `waiting`, `granted`, `rejected`, `expired`, `voided`, `withdrawn`.
 */
status: string, 
/**
 * What it binds.
 */
digest: string, 
/**
 * People needed.
 */
needed: number, 
/**
 * Who may approve; everybody where empty.
 */
approvers: Array<string>, 
/**
 * Who agreed.
 */
given: Array<GivenView>, 
/**
 * Until when it stands.
 */
expires_at: string, 
/**
 * Why it is needed.
 */
reasons: Array<string>, 
/**
 * What an approver alone types.
 */
target: string, 
/**
 * What changed, where it was voided.
 */
difference: Array<string>, };

/**
 * One attempt.
 */
export type AttemptView = { 
/**
 * Its number.
 */
n: number, 
/**
 * Which act: `a0`, a host call `c0`, an undo `u0`.
 */
act: string, 
/**
 * When its intent was durable.
 */
started_at: string, 
/**
 * When its outcome was.
 */
finished_at: string | null, 
/**
 * `running`, `succeeded`, `failed`, `not_started`, `timed_out`, `cancelled`, `lost`, `suspended`, `interrupted`.
 */
status: string, 
/**
 * Exit status of a process.
 */
exit_code: number | null, 
/**
 * A redacted excerpt.
 */
output: string, 
/**
 * Why it failed.
 */
error: string | null, 
/**
 * The device that performed it.
 */
device: string, 
/**
 * Its responder.
 */
responder: string, };

/**
 * A branch of a decision.
 */
export type BranchSpec = { 
/**
 * Its name.
 */
name: string, 
/**
 * The step it leads to, or `end`.
 */
to: string, 
/**
 * It is taken where this holds.
 */
when: string | null, 
/**
 * What it means.
 */
description: string | null, };

/**
 * An error as a face shows it.
 */
export type CallError = { 
/**
 * `user`, `refused`, `environment` or `bug`.
 */
class: string, 
/**
 * What went wrong: lower case, no final period, literals in backquotes.
 */
message: string, 
/**
 * What to do.
 */
hint: string | null, };

/**
 * A value that a missing one could have.
 */
export type Candidate = { 
/**
 * The value.
 */
value: string, 
/**
 * What tells it from the others, such as `owner of pod checkout-7d9f`; may be empty.
 */
note: string, };

/**
 * What a missing value could be. Nobody has chosen any of it yet.
 */
export type Candidates = { 
/**
 * The value's name.
 */
name: string, 
/**
 * What it could be, the likeliest first.
 */
candidates: Array<Candidate>, 
/**
 * Why nothing could be listed.
 */
problem: string | null, };

/**
 * Values that an execution waits for.
 */
export type CandidatesInRequest = { 
/**
 * The execution.
 */
execution: string, 
/**
 * What was typed so far for others of them.
 */
given: { [key in string]: JsonValue }, 
/**
 * Their names.
 */
names: Array<string>, };

/**
 * Values that a start lacks.
 */
export type CandidatesRequest = { 
/**
 * The start, with what was typed so far.
 */
start: Start, 
/**
 * Their names.
 */
names: Array<string>, };

/**
 * A directory of the catalog.
 */
export type CatalogSource = { 
/**
 * `bundled`, or the directory.
 */
path: string, 
/**
 * How many runbooks it holds.
 */
runbooks: number, 
/**
 * How many files could not be used.
 */
broken: number, };

/**
 * A change.
 */
export type ChangeView = { 
/**
 * Date as written.
 */
date: string, 
/**
 * Who.
 */
author: string | null, 
/**
 * What.
 */
changes: string, };

/**
 * Two outcomes of one step.
 */
export type Conflict = { 
/**
 * The step.
 */
step: string, 
/**
 * Numbers of the attempts.
 */
attempts: Array<number>, };

/**
 * A context as lists show it.
 */
export type ContextView = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its environment.
 */
environment: string, 
/**
 * Whether that is production, as the policy sees it.
 */
production: boolean, 
/**
 * Whether it is used where nobody says otherwise.
 */
current: boolean, 
/**
 * Names of its services.
 */
services: Array<string>, 
/**
 * The cluster that it acts on, as the kubeconfig names it.
 */
cluster: string | null, 
/**
 * The namespace of what names none.
 */
namespace: string | null, 
/**
 * Namespaces that it protects, besides those of the policy.
 */
protected: Array<string>, };

/**
 * A directory of this device.
 */
export type DirectoryRequest = { 
/**
 * Its path; `~` stands for the home folder.
 */
path: string, };

/**
 * One check.
 */
export type DoctorCheck = { 
/**
 * What was looked at.
 */
name: string, 
/**
 * Whether it is as it should be.
 */
ok: boolean, 
/**
 * What was found.
 */
detail: string, 
/**
 * What to do.
 */
hint: string | null, };

/**
 * What the doctor found.
 */
export type DoctorReport = { 
/**
 * Whether nothing stands in the way of running.
 */
ok: boolean, 
/**
 * Every check.
 */
checks: Array<DoctorCheck>, };

/**
 * A document to read or to save.
 */
export type Document = { 
/**
 * A name for its file.
 */
name: string, 
/**
 * Its media type.
 */
media_type: string, 
/**
 * Its text.
 */
text: string, 
/**
 * Sanitised HTML of it, where it is Markdown.
 */
html: string | null, };

/**
 * An answer that says no more than that it is done.
 */
export type Done = Record<symbol, never>;

/**
 * A draft's text.
 */
export type DraftRequest = { 
/**
 * The runbook that the edit was begun with.
 */
runbook: string, 
/**
 * What was typed.
 */
text: string, };

/**
 * Who drives an execution.
 */
export type Driven = "here" | "elsewhere" | "nobody";

/**
 * Who drives an execution.
 */
export type DriverRef = { 
/**
 * The device.
 */
device: string, 
/**
 * The responder.
 */
responder: string, 
/**
 * The epoch.
 */
epoch: number, 
/**
 * Whether a process drives it right now. Without one nothing goes on by itself.
 */
present: boolean, };

/**
 * An edit that is under way.
 */
export type EditView = { 
/**
 * The draft's text.
 */
text: string, 
/**
 * The file that changes when the draft is kept.
 */
target: string, 
/**
 * Whether the runbook is bundled and the target is a copy of one's own.
 */
copies: boolean, 
/**
 * Whether the draft is left over from an earlier edit.
 */
left_over: boolean, };

/**
 * Something that happened.
 */
export type Event = { "event": "execution", 
/**
 * The state.
 */
view: ExecutionView, 
/**
 * Who drives it.
 */
driven: Driven, } | { "event": "act_started", 
/**
 * The execution.
 */
execution: string, 
/**
 * The step.
 */
step: string, 
/**
 * The act.
 */
act: ActView, } | { "event": "output", 
/**
 * The execution.
 */
execution: string, 
/**
 * The step.
 */
step: string, 
/**
 * `stdout` or `stderr`.
 */
stream: string, 
/**
 * How much the act had written before, over both streams, in UTF-16 units: what a snapshot holds already is
 * known by it.
 */
at: number, 
/**
 * Text; it goes on where the output before it ended.
 */
text: string, } | { "event": "output_skipped", } | { "event": "notice", 
/**
 * The execution that it is about, where it is about one.
 */
execution: string | null, 
/**
 * The text.
 */
text: string, } | { "event": "escalated", 
/**
 * The execution.
 */
execution: string, 
/**
 * The step.
 */
step: string, 
/**
 * Why.
 */
reason: string, } | { "event": "stopped", 
/**
 * The execution.
 */
execution: string, 
/**
 * Why.
 */
error: string, 
/**
 * What to do.
 */
hint: string | null, } | { "event": "catalog_changed", 
/**
 * The directory.
 */
source: string, 
/**
 * How many runbooks are new or other than before.
 */
changed: number, 
/**
 * How many files are gone.
 */
removed: number, 
/**
 * What is wrong with files that were looked at.
 */
findings: Array<FindingView>, } | { "event": "opened", 
/**
 * The link.
 */
url: string, };

/**
 * An execution as its page shows it.
 */
export type ExecutionPage = { 
/**
 * The place in the stream up to which this holds every event.
 */
place: Place, 
/**
 * Its state.
 */
view: ExecutionView, 
/**
 * Who drives it.
 */
driven: Driven, 
/**
 * The runbook as the execution began with it, commands with their values.
 */
runbook: RunbookView, 
/**
 * What the running act has written so far, its end at least.
 */
running: RunningOutput | null, };

/**
 * Which execution.
 */
export type ExecutionRequest = { 
/**
 * Its id, a unique start of it, or `@last`.
 */
execution: string, };

/**
 * An execution without its steps (`belay executions`).
 */
export type ExecutionSummary = { 
/**
 * Hash of its genesis, hex.
 */
execution: string, 
/**
 * The `UUIDv7` label.
 */
label: string, 
/**
 * What is run.
 */
runbook: RunbookRef, 
/**
 * Where it stands.
 */
status: string, 
/**
 * The responder who started it.
 */
started_by: string, 
/**
 * What started it.
 */
triggered_by: string, 
/**
 * Values of variables; secrets by name.
 */
inputs: { [key in string]: JsonValue }, 
/**
 * Incident.
 */
incident: string | null, 
/**
 * Change ticket.
 */
ticket: string | null, 
/**
 * Where it acts.
 */
context: string, 
/**
 * Who drives it.
 */
driver: DriverRef, 
/**
 * When it started.
 */
started_at: string, 
/**
 * When it ended.
 */
finished_at: string | null, 
/**
 * From start to end, or to now.
 */
duration_seconds: number, 
/**
 * Why it failed or was stopped.
 */
error: string | null, 
/**
 * Remarks.
 */
notes: Array<NoteView>, 
/**
 * What a person has to do.
 */
waiting_on: Array<Waiting>, };

/**
 * The verdict on one execution.
 */
export type ExecutionVerdict = { 
/**
 * Hash of its genesis, hex.
 */
execution: string, 
/**
 * How many events were looked at.
 */
events: number, 
/**
 * The status that they lead to; `None` where they cannot be followed.
 */
status: string | null, 
/**
 * Whether everything holds.
 */
ok: boolean, 
/**
 * What does not.
 */
faults: Array<string>, };

/**
 * An execution with its steps (`belay status`).
 */
export type ExecutionView = { 
/**
 * The steps, in the order of the file; rollback steps follow.
 */
steps: Array<StepView>, 
/**
 * Steps whose outcomes contradict each other.
 */
conflicts: Array<Conflict>, 
/**
 * What a rollback that begins now would do, in its order; empty once one has begun.
 */
takes_back: Array<TakenBack>, 
/**
 * Hash of its genesis, hex.
 */
execution: string, 
/**
 * The `UUIDv7` label.
 */
label: string, 
/**
 * What is run.
 */
runbook: RunbookRef, 
/**
 * Where it stands.
 */
status: string, 
/**
 * The responder who started it.
 */
started_by: string, 
/**
 * What started it.
 */
triggered_by: string, 
/**
 * Values of variables; secrets by name.
 */
inputs: { [key in string]: JsonValue }, 
/**
 * Incident.
 */
incident: string | null, 
/**
 * Change ticket.
 */
ticket: string | null, 
/**
 * Where it acts.
 */
context: string, 
/**
 * Who drives it.
 */
driver: DriverRef, 
/**
 * When it started.
 */
started_at: string, 
/**
 * When it ended.
 */
finished_at: string | null, 
/**
 * From start to end, or to now.
 */
duration_seconds: number, 
/**
 * Why it failed or was stopped.
 */
error: string | null, 
/**
 * Remarks.
 */
notes: Array<NoteView>, 
/**
 * What a person has to do.
 */
waiting_on: Array<Waiting>, };

/**
 * Which executions.
 */
export type ExecutionsRequest = { 
/**
 * Only in this status.
 */
status?: string | null, 
/**
 * Only of this runbook.
 */
runbook?: string | null, };

/**
 * What is known of the end of an exported log: whether anything may have been cut off.
 */
export type ExportEnd = { 
/**
 * Whether a device that wrote events of the log signed that these are all that it held.
 */
proven: boolean, 
/**
 * The device that sealed the file.
 */
device: string | null, 
/**
 * When it was sealed.
 */
at: string | null, 
/**
 * The same in words.
 */
detail: string, };

/**
 * One way to narrow a search.
 */
export type Facet = { 
/**
 * `severity`, `category`, `domain`, `service` or `tag`.
 */
name: string, 
/**
 * Its values, the most frequent first.
 */
values: Array<FacetValue>, };

/**
 * A value of a facet.
 */
export type FacetValue = { 
/**
 * The value.
 */
value: string, 
/**
 * How many hits have it.
 */
count: number, };

/**
 * What validation reports.
 */
export type FindingView = { 
/**
 * The file, or a name in angle brackets.
 */
file: string, 
/**
 * Line, from one.
 */
line: number, 
/**
 * Column in characters, from one.
 */
column: number, 
/**
 * The rule's id.
 */
rule: string, 
/**
 * `error` or `warning`.
 */
severity: string, 
/**
 * What is wrong.
 */
message: string, 
/**
 * What to do.
 */
hint: string | null, };

/**
 * An edge of the flow.
 */
export type FlowEdge = { 
/**
 * The step it leaves.
 */
from: string, 
/**
 * The step it leads to, or `end`.
 */
to: string, 
/**
 * What it is.
 */
kind: FlowKind, 
/**
 * The branch's name.
 */
label: string | null, };

/**
 * Kinds of edges.
 */
export type FlowKind = "next" | "branch" | "failure" | "undo";

/**
 * One person's approval.
 */
export type GivenView = { 
/**
 * Who.
 */
responder: string, 
/**
 * On which device.
 */
device: string, 
/**
 * When.
 */
at: string, 
/**
 * Whether it is the driver's own person.
 */
self_approved: boolean, 
/**
 * A remark.
 */
comment: string | null, };

/**
 * A variable of a runbook, with what it would be.
 */
export type InputView = { 
/**
 * Its name.
 */
name: string, 
/**
 * `string`, `integer`, `number`, `boolean` or `secret`.
 */
kind: string, 
/**
 * What it is.
 */
description: string | null, 
/**
 * What it would be: as typed, or its default.
 */
value: string | null, 
/**
 * Whether the value is the default.
 */
is_default: boolean, 
/**
 * The only values allowed, where not empty.
 */
options: Array<string>, 
/**
 * An anchored pattern.
 */
pattern: string | null, 
/**
 * Whether a start needs it.
 */
required: boolean, 
/**
 * What is wrong with what was typed.
 */
problem: string | null, 
/**
 * What to do about it.
 */
hint: string | null, };

export type JsonValue = number | string | boolean | Array<JsonValue> | { [key in string]: JsonValue } | null;

/**
 * How to keep a draft.
 */
export type KeepRequest = { 
/**
 * The runbook that the edit was begun with.
 */
runbook: string, 
/**
 * What changed, for the changelog; nothing is noted where it is empty.
 */
changes: string, 
/**
 * `major`, `minor` or `patch`: how much of the version changes.
 */
bump?: string | null, };

/**
 * A draft that was kept.
 */
export type KeptView = { 
/**
 * The runbook's file.
 */
path: string, 
/**
 * Its version now.
 */
version: string | null, };

/**
 * One event of the log.
 */
export type LogEntry = { 
/**
 * Position in causal order, from one.
 */
n: number, 
/**
 * Hash of its envelope, hex.
 */
hash: string, 
/**
 * Its kind.
 */
kind: string, 
/**
 * When, by its writer's clock.
 */
at: string, 
/**
 * Its device.
 */
device: string, 
/**
 * One line for people.
 */
text: string, 
/**
 * Whether its signature and links hold.
 */
verified: boolean, 
/**
 * What is wrong, where they do not.
 */
fault: string | null, 
/**
 * What it cites.
 */
cites: Array<string>, 
/**
 * The event itself.
 */
event: JsonValue, };

/**
 * A name.
 */
export type NameRequest = { 
/**
 * The name.
 */
name: string, };

/**
 * A remark.
 */
export type NoteView = { 
/**
 * When.
 */
at: string, 
/**
 * Who.
 */
by: string, 
/**
 * What.
 */
text: string, };

/**
 * A call that takes nothing.
 */
export type Nothing = Record<symbol, never>;

/**
 * An event with its number.
 */
export type Numbered = { 
/**
 * Grows with every event; numbers may be left out.
 */
n: number, 
/**
 * The event.
 */
event: Event, };

/**
 * Something that stands in the way of a run.
 */
export type Obstacle = { 
/**
 * What.
 */
what: string, 
/**
 * What to do.
 */
hint: string | null, 
/**
 * Whether a start is refused.
 */
blocking: boolean, };

/**
 * What became of a step.
 */
export type OutcomeWord = "done" | "not-done" | "failed" | "undo";

/**
 * A piece of output.
 */
export type OutputPiece = { 
/**
 * `stdout` or `stderr`.
 */
stream: string, 
/**
 * Text.
 */
text: string, };

/**
 * One stream of an attempt's kept output.
 */
export type OutputView = { 
/**
 * Which attempt and act: `1.a0`.
 */
attempt: string, 
/**
 * `stdout` or `stderr`.
 */
stream: string, 
/**
 * Text, redacted; what is no UTF-8 is replaced.
 */
text: string, 
/**
 * Whether bytes beyond the limit were dropped.
 */
truncated: boolean, };

/**
 * A place in a process's stream of events.
 */
export type Place = { 
/**
 * The stream; another process has another one.
 */
stream: string, 
/**
 * The number of the last event seen.
 */
n: number, };

/**
 * What to plan, and how.
 */
export type PlanRequest = { 
/**
 * What to plan.
 */
start: Start, 
/**
 * Nothing outside this device is asked.
 */
offline: boolean, };

/**
 * One step of a plan.
 */
export type PlanStep = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its title.
 */
title: string, 
/**
 * One of the five kinds.
 */
type: string, 
/**
 * Rendered acts; empty where they are known later.
 */
acts: Array<ActView>, 
/**
 * The effect.
 */
effect: string | null, 
/**
 * The impact.
 */
impact: string | null, 
/**
 * Why it matters that much.
 */
impact_reasons: Array<string>, 
/**
 * Why approval is needed; empty where it is not.
 */
approval: Array<string>, 
/**
 * What takes it back.
 */
undo: UndoView | null, 
/**
 * Where the flow goes: `next`, or each branch.
 */
next: Array<string>, 
/**
 * What is known only later: `known after STEP`, or names of missing values.
 */
known_after: Array<string>, 
/**
 * What would stop it (an action that this version cannot perform).
 */
problems: Array<string>, };

/**
 * What would happen (`belay plan`).
 */
export type PlanView = { 
/**
 * What is planned.
 */
runbook: RunbookRef, 
/**
 * Where it would act.
 */
context: string, 
/**
 * Its environment.
 */
environment: string, 
/**
 * Values that were given or are defaults.
 */
inputs: { [key in string]: JsonValue }, 
/**
 * Names of values that are missing before the start.
 */
missing: Array<string>, 
/**
 * The steps.
 */
steps: Array<PlanStep>, 
/**
 * SHA-256 over everything above, hex.
 */
digest: string, };

/**
 * The policy in force.
 */
export type PolicyText = { 
/**
 * Its YAML.
 */
yaml: string, 
/**
 * SHA-256 of its canonical form, hex.
 */
digest: string, 
/**
 * `default`, or the file.
 */
source: string, };

/**
 * Markdown, as it is written and as a page shows it.
 */
export type Prose = { 
/**
 * As written.
 */
text: string, 
/**
 * Sanitised HTML: no markup of the writer's own, no images, links to `http`, `https` and `mailto` alone.
 */
html: string, };

/**
 * A related runbook.
 */
export type RelatedRunbook = { 
/**
 * As written.
 */
text: string, 
/**
 * Its name, where the catalog has it.
 */
name: string | null, };

/**
 * One thing about a runbook that may let somebody down.
 */
export type RotSign = { 
/**
 * `findings`, or the rule: `overdue-review`, `never-run`, `long-without-success`.
 */
rule: string, 
/**
 * `error` or `warning`.
 */
severity: string, 
/**
 * In a few words, for people.
 */
text: string, };

/**
 * What of the catalog would let somebody down.
 */
export type RotView = { 
/**
 * Each runbook, worst first.
 */
runbooks: Array<RunbookHealth>, 
/**
 * Everything in detail.
 */
findings: Array<FindingView>, };

/**
 * How one runbook is.
 */
export type RunbookHealth = { 
/**
 * Its id, or its name.
 */
id: string, 
/**
 * Its name.
 */
name: string, 
/**
 * Its title.
 */
title: string, 
/**
 * `bundled`, or its file.
 */
source: string, 
/**
 * The file that its findings name.
 */
file: string, 
/**
 * When it is to be reviewed.
 */
review_date: string | null, 
/**
 * Its executions on this device.
 */
statistics: RunbookStatistics, 
/**
 * How many findings it has.
 */
findings: number, };

/**
 * A runbook as its page shows it.
 */
export type RunbookPage = { 
/**
 * The runbook.
 */
runbook: RunbookView, 
/**
 * What validation reports.
 */
findings: Array<FindingView>, 
/**
 * Its executions here.
 */
statistics: RunbookStatistics, 
/**
 * The last of them, newest first.
 */
history: Array<ExecutionSummary>, 
/**
 * `bundled`, or its file.
 */
source: string, 
/**
 * SHA-256 of its file, hex.
 */
digest: string, 
/**
 * Its file's text.
 */
text: string, 
/**
 * Actions that it names and that this version cannot perform; with any, it can be read and planned, not run.
 */
unavailable: Array<string>, };

/**
 * A runbook as executions and hits name it.
 */
export type RunbookRef = { 
/**
 * Its id, or its name where it has none.
 */
id: string, 
/**
 * `metadata.name`.
 */
name: string, 
/**
 * The title.
 */
title: string, 
/**
 * SHA-256 of its file, hex.
 */
digest: string, };

/**
 * Which runbook.
 */
export type RunbookRequest = { 
/**
 * An id, a name or a path.
 */
runbook: string, };

/**
 * The Story's status of a runbook, from this store's executions.
 */
export type RunbookStatistics = { 
/**
 * Start of the last execution.
 */
last_execution: string | null, 
/**
 * Start of the last one that completed.
 */
last_success: string | null, 
/**
 * How many there were.
 */
executions: number, 
/**
 * How many of them have ended.
 */
finished: number, 
/**
 * How many of those succeeded.
 */
succeeded: number, 
/**
 * Share of finished ones that completed, from 0 to 1.
 */
success_rate: number | null, 
/**
 * Average duration of finished ones in seconds.
 */
average_duration_seconds: number | null, };

/**
 * A runbook as it is written.
 */
export type RunbookView = { 
/**
 * Its id, or its name where it has none.
 */
id: string, 
/**
 * `metadata.name`.
 */
name: string, 
/**
 * The title.
 */
title: string, 
/**
 * What it is about.
 */
description: Prose | null, 
/**
 * The Story's taxonomy.
 */
domain: string | null, 
/**
 * The Guide's taxonomy.
 */
category: string | null, 
/**
 * The severity addressed.
 */
severity: string, 
/**
 * Services affected.
 */
services: Array<string>, 
/**
 * Free tags.
 */
tags: Array<string>, 
/**
 * Alerts that it is for.
 */
alerts: Array<string>, 
/**
 * Other triggers, for people.
 */
triggers: Array<string>, 
/**
 * What people see.
 */
symptoms: Array<string>, 
/**
 * What it means for users.
 */
impact: Prose | null, 
/**
 * What helps.
 */
resolution: Prose | null, 
/**
 * Whoever wrote it.
 */
author: string | null, 
/**
 * Its own version.
 */
version: string | null, 
/**
 * When it was last changed.
 */
updated: string | null, 
/**
 * When it is to be reviewed.
 */
review_date: string | null, 
/**
 * How long an execution takes, in minutes.
 */
estimated_minutes: number | null, 
/**
 * `manual`, `semi-automated` or `fully-automated`.
 */
automation_level: string | null, 
/**
 * Whether a failed execution rolls back by itself.
 */
rollback_on_failure: boolean, 
/**
 * Whether a start in production needs a change ticket.
 */
requires_change_ticket: boolean, 
/**
 * What has to be in place before the first step.
 */
prerequisites: Array<string>, 
/**
 * What is signed off after the last one.
 */
post_conditions: Array<string>, 
/**
 * The steps in the order of the file.
 */
steps: Array<StepSpec>, 
/**
 * What a rollback runs after the undos.
 */
rollback_steps: Array<StepSpec>, 
/**
 * The flow between the steps.
 */
flow: Array<FlowEdge>, 
/**
 * Related runbooks.
 */
related: Array<RelatedRunbook>, 
/**
 * References: documents, links.
 */
references: Array<string>, 
/**
 * Changes, newest first.
 */
changelog: Array<ChangeView>, };

/**
 * What the running act has written.
 */
export type RunningOutput = { 
/**
 * The step.
 */
step: string, 
/**
 * Pieces, oldest first.
 */
pieces: Array<OutputPiece>, 
/**
 * How much the act has written, left out or not, in UTF-16 units: output events from there on are new.
 */
written: number, 
/**
 * Whether earlier output is left out; `output` has all of it.
 */
cut: boolean, };

/**
 * What a person says.
 */
export type Said = { "say": "note", 
/**
 * Markdown.
 */
text: string, } | { "say": "check", 
/**
 * Positions from one; `null` answers all of them.
 */
items?: Array<number> | null, 
/**
 * A remark.
 */
note?: string | null, } | { "say": "provide", 
/**
 * By name.
 */
values: { [key in string]: JsonValue }, } | { "say": "confirm", 
/**
 * The step.
 */
step: string, 
/**
 * What happened.
 */
outcome: OutcomeWord, 
/**
 * An automated step was done by hand.
 */
by_hand: boolean, 
/**
 * A remark.
 */
note?: string | null, } | { "say": "decide", 
/**
 * The step.
 */
step: string, 
/**
 * The branch.
 */
branch: string, } | { "say": "approve", 
/**
 * The step.
 */
step: string, 
/**
 * The digest of what was shown; another one is refused.
 */
digest: string, 
/**
 * The target's name, as typed.
 */
target?: string | null, 
/**
 * A remark.
 */
comment?: string | null, } | { "say": "reject", 
/**
 * The step.
 */
step: string, 
/**
 * The digest of what was shown.
 */
digest: string, 
/**
 * Why.
 */
comment?: string | null, } | { "say": "retry", 
/**
 * The step.
 */
step: string, } | { "say": "skip", 
/**
 * The step.
 */
step: string, 
/**
 * Why.
 */
reason: string, } | { "say": "pause", } | { "say": "resume", } | { "say": "abort", 
/**
 * Why.
 */
reason: string, } | { "say": "rollback", 
/**
 * Why.
 */
reason: string, } | { "say": "settle_undo", 
/**
 * The step.
 */
step: string, 
/**
 * The choice.
 */
choice: UndoWord, 
/**
 * A remark.
 */
note?: string | null, };

/**
 * Something that a person says to an execution.
 */
export type SayRequest = { 
/**
 * The execution.
 */
execution: string, 
/**
 * What is said.
 */
saying: Said, };

/**
 * Hits, best first.
 */
export type SearchAnswer = { 
/**
 * The hits.
 */
hits: Array<SearchHit>, 
/**
 * How many there are, shown or not; a thousand at most.
 */
total: number, 
/**
 * Whether there are more than that.
 */
more: boolean, 
/**
 * How many of the hits each value of each facet has.
 */
facets: Array<Facet>, };

/**
 * A hit of the catalog search.
 */
export type SearchHit = { 
/**
 * Its id, or its name where it has none.
 */
id: string, 
/**
 * `metadata.name`.
 */
name: string, 
/**
 * The title.
 */
title: string, 
/**
 * Higher is better.
 */
score: number, 
/**
 * Whether it only comes closest: no alert, name, title, symptom or tag of it says what was typed.
 */
weak: boolean, 
/**
 * What matched, for people.
 */
matched: Array<string>, 
/**
 * The severity addressed.
 */
severity: string, 
/**
 * The Guide's category.
 */
category: string | null, 
/**
 * The Story's domain.
 */
domain: string | null, 
/**
 * Services affected.
 */
services: Array<string>, 
/**
 * Free tags.
 */
tags: Array<string>, 
/**
 * Where it comes from: `bundled`, or a path.
 */
source: string, 
/**
 * Whether it comes instead of the bundled runbook of the same id.
 */
hides_bundled: boolean, 
/**
 * Whether another runbook has its name, so that only its id or its path names it.
 */
shares_name: boolean, 
/**
 * Statistics of its executions here.
 */
statistics: RunbookStatistics, 
/**
 * What may let somebody down who starts it, the worst first.
 */
rot: Array<RotSign>, };

/**
 * What is searched for; everything may be left out.
 */
export type SearchRequest = { 
/**
 * What somebody typed.
 */
query: string, 
/**
 * Only runbooks about this service.
 */
service?: string | null, 
/**
 * Only this severity, or any.
 */
severity?: string | null, 
/**
 * Only this category.
 */
category?: string | null, 
/**
 * Only this domain.
 */
domain?: string | null, 
/**
 * Any of these tags.
 */
tags: Array<string>, 
/**
 * At most so many hits; a thousand where zero.
 */
limit: number, };

/**
 * A secret that was kept.
 */
export type SecretKept = { 
/**
 * Its name.
 */
name: string, 
/**
 * Whether it took the place of another value.
 */
replaced: boolean, };

/**
 * A secret to keep.
 */
export type SecretSetRequest = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its value, which no answer and no event repeats.
 */
value: string, };

/**
 * One secret that the keyring holds, without its value.
 */
export type SecretView = { 
/**
 * Its name.
 */
name: string, 
/**
 * When it was set, where the keyring says so.
 */
set_at: string | null, };

/**
 * Which secrets to list.
 */
export type SecretsRequest = { 
/**
 * A person is asked to unlock the keyring where it is locked.
 */
unlock: boolean, };

/**
 * The secrets that the keyring holds, without their values.
 */
export type SecretsView = { 
/**
 * What can be seen, by name.
 */
secrets: Array<SecretView>, 
/**
 * Whether the keyring is locked, so that it may hold more than it shows.
 */
locked: boolean, 
/**
 * Why the keyring cannot be used here; nothing can be kept then.
 */
trouble: CallError | null, };

/**
 * A directory that was added.
 */
export type SourceAdded = { 
/**
 * The directory.
 */
path: string, 
/**
 * How many runbooks it holds.
 */
runbooks: number, 
/**
 * What is wrong with files that could not be used.
 */
findings: Array<FindingView>, };

/**
 * What to start or to plan.
 */
export type Start = { 
/**
 * Id, name or path.
 */
runbook: string, 
/**
 * Values of variables, as typed.
 */
variables: { [key in string]: string }, 
/**
 * The alert that triggers it: `value` of an alert's answer, or an alert as Alertmanager sends it.
 */
alert?: JsonValue | null, 
/**
 * Incident id.
 */
incident?: string | null, 
/**
 * Change ticket.
 */
ticket?: string | null, 
/**
 * Where it acts; the current context where absent.
 */
context?: string | null, };

/**
 * What a start asks for.
 */
export type StartForm = { 
/**
 * The variables, in the order of the file.
 */
inputs: Array<InputView>, 
/**
 * What has to be in place before the first step; asked for by the execution itself.
 */
checklist: Array<string>, 
/**
 * Where it acts.
 */
context: string, 
/**
 * The environment of the context.
 */
environment: string, 
/**
 * Whether that is production, as the policy sees it.
 */
production: boolean, 
/**
 * Whether a change ticket is needed there and missing.
 */
needs_ticket: boolean, 
/**
 * What stands in the way; with a blocking one a start is refused.
 */
obstacles: Array<Obstacle>, };

/**
 * An execution that was started.
 */
export type Started = { 
/**
 * Its id.
 */
execution: string, };

/**
 * Which step of an execution.
 */
export type StepRequest = { 
/**
 * The execution.
 */
execution: string, 
/**
 * The step.
 */
step: string, };

/**
 * A step as it is written.
 */
export type StepSpec = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its title.
 */
title: string, 
/**
 * One of the five kinds.
 */
type: string, 
/**
 * What it is about.
 */
description: Prose | null, 
/**
 * Commands, with placeholders as written, or with values where they are known.
 */
commands: Array<string>, 
/**
 * Remarks that stand between the commands.
 */
remarks: Array<string>, 
/**
 * The action or automation that it calls.
 */
action: string | null, 
/**
 * Parameters of the action, with templates as written.
 */
parameters: JsonValue | null, 
/**
 * Its effect as declared: `read`, `mutate` or `destructive`; none where a person acts.
 */
effect: string | null, 
/**
 * It is left out where this does not hold.
 */
when: string | null, 
/**
 * What has to hold before it.
 */
prerequisites: Array<string>, 
/**
 * What has to hold of its output.
 */
post_conditions: Array<string>, 
/**
 * What a person should see.
 */
expected_output: string | null, 
/**
 * What a person checks.
 */
success_criteria: string | null, 
/**
 * Automatic retries.
 */
retries: number, 
/**
 * The longest time of one attempt, in seconds.
 */
timeout_seconds: number | null, 
/**
 * What to do when it fails, for people.
 */
failure_hint: string | null, 
/**
 * A failure does not stop the execution.
 */
continue_on_error: boolean, 
/**
 * Whether the runbook asks for an approval; the policy may ask all the same.
 */
needs_approval: boolean, 
/**
 * Who may approve; everybody where empty.
 */
approvers: Array<string>, 
/**
 * People who have to approve.
 */
quorum: number, 
/**
 * What takes it back.
 */
undo: UndoSpec | null, 
/**
 * It serves only to take another step back, and lies outside the forward flow.
 */
undo_only: boolean, 
/**
 * Branches of a decision.
 */
branches: Array<BranchSpec>, 
/**
 * How long it takes, in minutes.
 */
estimated_minutes: number | null, };

/**
 * One step of an execution.
 */
export type StepView = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its title.
 */
title: string, 
/**
 * One of the five kinds.
 */
type: string, 
/**
 * Where it stands.
 */
status: string, 
/**
 * The effect of its plan, once planned.
 */
effect: string | null, 
/**
 * The impact of its plan, once planned.
 */
impact: string | null, 
/**
 * Why it matters that much.
 */
impact_reasons: Array<string>, 
/**
 * A person did it by hand.
 */
by_hand: boolean, 
/**
 * Who said that it is done, where a person did.
 */
done_by: string | null, 
/**
 * The branch taken.
 */
branch: string | null, 
/**
 * Why it failed.
 */
error: string | null, 
/**
 * What it will run, rendered, once planned.
 */
acts: Array<ActView>, 
/**
 * Its attempts.
 */
attempts: Array<AttemptView>, 
/**
 * Its approval.
 */
approval: ApprovalView | null, 
/**
 * What came of taking it back, or what would.
 */
undo: UndoView | null, };

/**
 * One thing that a rollback would do.
 */
export type TakenBack = { 
/**
 * The step.
 */
step: string, 
/**
 * Its title.
 */
title: string, 
/**
 * The status of its undo, `by_hand` for what a person did and has to take back, or `step` for a step of the runbook's
 * own rollback.
 */
status: string, 
/**
 * What would run, or why nothing can, for people.
 */
how: string, };

/**
 * What a listener gets.
 */
export type Told = { "told": "events", 
/**
 * The events; a listener that comes back names the last one.
 */
events: Array<Numbered>, } | { "told": "anew", 
/**
 * Where the stream goes on.
 */
after: Place, };

/**
 * What takes a step back, as written.
 */
export type UndoSpec = { 
/**
 * `acts`, `step` or `irreversible`.
 */
kind: string, 
/**
 * The commands or the action, the step's name, or the reason.
 */
text: string, };

/**
 * What takes a step back.
 */
export type UndoView = { 
/**
 * `ready`, `irreversible`, `undeclared`, `running`, `done`, `already_before`, `stuck`, `left`, `failed`.
 */
status: string, 
/**
 * What would run or has run, or why nothing can, for people.
 */
output: string, 
/**
 * `before`, `after`, `live` or `error` of a stuck one.
 */
detail: JsonValue | null, };

/**
 * What becomes of a stuck undo.
 */
export type UndoWord = "done" | "retry" | "by-hand" | "leave";

/**
 * A text that is being written.
 */
export type ValidateRequest = { 
/**
 * The text.
 */
text: string, };

/**
 * What came of looking at a text.
 */
export type Validated = { 
/**
 * Findings by place.
 */
findings: Array<FindingView>, 
/**
 * How it would look, where it can be read.
 */
preview: RunbookView | null, };

/**
 * What verification found.
 */
export type VerifyReport = { 
/**
 * Whether everything holds.
 */
ok: boolean, 
/**
 * One verdict per execution; `file` for what is wrong with an exported file as such.
 */
executions: Array<ExecutionVerdict>, 
/**
 * What is known of the end of an exported file; `None` where no file was verified.
 */
end: ExportEnd | null, };

/**
 * Something that waits for a person.
 */
export type Waiting = { 
/**
 * Of what kind.
 */
kind: WaitingKind, 
/**
 * The step; none for a checklist.
 */
step: string | null, 
/**
 * What is asked, in a sentence.
 */
detail: string, 
/**
 * Branches of a decision, items of a checklist (those not yet answered), names of missing values.
 */
options: Array<WaitingOption>, };

/**
 * The kinds of waiting.
 */
export type WaitingKind = "approval" | "manual" | "decision" | "outcome" | "undo" | "input" | "checklist";

/**
 * One thing to choose, answer or give.
 */
export type WaitingOption = { 
/**
 * What to say: the branch's name, the item's number from one, the value's name.
 */
name: string, 
/**
 * What it means.
 */
description: string, 
/**
 * Values that a missing one could have, where they were looked up.
 */
candidates?: Array<Candidate>, };

/** Every call: what it takes and what it answers. */
export interface Calls {
  /** Ranked hits, with how many there are of each kind. */
  search: { args: SearchRequest; answer: SearchAnswer };
  /** The best runbooks for the alerts of a payload. */
  alert: { args: AlertRequest; answer: AlertAnswer };
  /** One runbook as it is written, with its flow and findings. */
  runbook: { args: RunbookRequest; answer: RunbookPage };
  /** Findings of a text that is being written, and how it would look. */
  validate: { args: ValidateRequest; answer: Validated };
  /** Begins an edit, or goes on with the draft that an earlier one left. */
  edit: { args: RunbookRequest; answer: EditView };
  /** Keeps what was typed in the draft; the runbook's file stays as it is. */
  save_draft: { args: DraftRequest; answer: Validated };
  /** Puts a draft into the place of the runbook's file. */
  keep_draft: { args: KeepRequest; answer: KeptView };
  /** Throws a draft away. */
  discard_draft: { args: RunbookRequest; answer: Done };
  /** The directories of the catalog. */
  catalog: { args: Nothing; answer: Array<CatalogSource> };
  /** Adds a directory to the catalog. */
  catalog_add: { args: DirectoryRequest; answer: SourceAdded };
  /** Takes a directory out of the catalog; its files stay. */
  catalog_remove: { args: DirectoryRequest; answer: Done };
  /** What of the catalog would let somebody down. */
  rot: { args: Nothing; answer: RotView };
  /** What a start asks for: inputs with what they would be, the checklist, and what stands in the way. */
  form: { args: Start; answer: StartForm };
  /** What values of a start could be, in the order of their names; reads where they would stand. */
  candidates: { args: CandidatesRequest; answer: Array<Candidates> };
  /** What would happen; changes nothing. */
  plan: { args: PlanRequest; answer: PlanView };
  /** Starts an execution and drives it here. */
  start: { args: Start; answer: Started };
  /** Executions, newest first. */
  executions: { args: ExecutionsRequest; answer: Array<ExecutionSummary> };
  /** What waits for a person, over all executions. */
  waiting: { args: Nothing; answer: Array<ExecutionSummary> };
  /** One execution with its runbook and the output of what runs; says which events it holds. */
  execution: { args: ExecutionRequest; answer: ExecutionPage };
  /** Its events, with the state of their signatures. */
  log: { args: ExecutionRequest; answer: Array<LogEntry> };
  /** The kept output of a step. */
  output: { args: StepRequest; answer: Array<OutputView> };
  /** Verifies the log of one execution. */
  verify: { args: ExecutionRequest; answer: VerifyReport };
  /** The log as a file that verifies alone. */
  export: { args: ExecutionRequest; answer: Document };
  /** A draft of the postmortem, in Markdown. */
  postmortem: { args: ExecutionRequest; answer: Document };
  /** What values could be that an execution waits for. */
  candidates_in: { args: CandidatesInRequest; answer: Array<Candidates> };
  /** Goes on driving an execution here. */
  drive: { args: ExecutionRequest; answer: Done };
  /** Stops driving it here; what runs is ended and recorded. */
  leave: { args: ExecutionRequest; answer: Done };
  /** Cancels the act that runs. */
  cancel: { args: ExecutionRequest; answer: Done };
  /** Says something to an execution: confirms, decides, approves, notes, aborts … */
  say: { args: SayRequest; answer: Done };
  /** The program, the person and the device. */
  about: { args: Nothing; answer: About };
  /** Where Belay may act. */
  contexts: { args: Nothing; answer: Array<ContextView> };
  /** Makes a context the current one. */
  use_context: { args: NameRequest; answer: Done };
  /** The policy in force. */
  policy: { args: Nothing; answer: PolicyText };
  /** The names of the secrets that the keyring holds. */
  secrets: { args: SecretsRequest; answer: SecretsView };
  /** Keeps a secret in the keyring, in place of the one of that name. */
  secret_set: { args: SecretSetRequest; answer: SecretKept };
  /** Removes a secret from the keyring. */
  secret_remove: { args: NameRequest; answer: Done };
  /** What is missing on this device, and what to do about it. */
  doctor: { args: Nothing; answer: DoctorReport };
}
