import type {
  ActView,
  ApprovalView,
  AttemptView,
  ExecutionPage,
  ExecutionView,
  RunbookView,
  StepView,
  Waiting,
} from '../../backend/api';

/** Executions for tests. */
export function sampleStep(name: string, change: Partial<StepView> = {}): StepView {
  return {
    name,
    title: name,
    type: 'automated',
    status: 'pending',
    effect: null,
    impact: null,
    impact_reasons: [],
    by_hand: false,
    done_by: null,
    branch: null,
    error: null,
    acts: [],
    attempts: [],
    approval: null,
    undo: null,
    ...change,
  };
}

export function sampleAttempt(change: Partial<AttemptView> = {}): AttemptView {
  return {
    n: 1,
    act: 'a0',
    started_at: '2026-11-26T20:00:10Z',
    finished_at: '2026-11-26T20:00:12Z',
    status: 'succeeded',
    exit_code: 0,
    output: '',
    error: null,
    device: 'b55c1ca6d02ed321',
    responder: 'ada',
    ...change,
  };
}

export function sampleAct(change: Partial<ActView> = {}): ActView {
  return {
    action: 'command.run',
    notes: [],
    description: 'run touch /srv/flag',
    parameters: { argv: ['touch', '/srv/flag'] },
    effect: 'mutate',
    target: 'shop-1',
    ...change,
  };
}

export function sampleApproval(change: Partial<ApprovalView> = {}): ApprovalView {
  return {
    status: 'waiting',
    digest: '2dacd643c54542838cffb117aac8ebe93f49b69e1a95471381fb1734272b1f14',
    needed: 1,
    approvers: [],
    given: [],
    expires_at: '2026-11-26T20:05:10Z',
    reasons: ['the step asks for it'],
    target: 'shop-1',
    difference: [],
    ...change,
  };
}

export function sampleWaiting(kind: Waiting['kind'], step: string | null, change: Partial<Waiting> = {}): Waiting {
  return { kind, step, detail: 'what is asked', options: [], ...change };
}

export function sampleView(change: Partial<ExecutionView> = {}): ExecutionView {
  return {
    steps: [],
    takes_back: [],
    conflicts: [],
    execution: '2516defe486793c1321c5cf27568f2061e808c9c739b6db9c99e3994cc841777',
    label: '01a2198d-a903-7530-bf25-a8dcacaabe00',
    runbook: { id: 'RB-1', name: 'shop', title: 'The shop is slow', digest: 'a18a' },
    status: 'in_progress',
    started_by: 'ada',
    triggered_by: 'manual',
    inputs: {},
    incident: null,
    ticket: null,
    context: 'local',
    driver: { device: 'b55c1ca6d02ed321', responder: 'ada', epoch: 0, present: true },
    started_at: '2026-11-26T20:00:00Z',
    finished_at: null,
    duration_seconds: 12,
    error: null,
    notes: [],
    waiting_on: [],
    ...change,
  };
}

export function samplePage(change: Partial<ExecutionPage> = {}): ExecutionPage {
  const runbook = { id: 'RB-1', name: 'shop', title: 'The shop is slow', steps: [], rollback_steps: [] };
  return {
    place: { stream: 's', n: 0 },
    view: sampleView(),
    driven: 'here',
    runbook: runbook as unknown as RunbookView,
    running: null,
    ...change,
  };
}
