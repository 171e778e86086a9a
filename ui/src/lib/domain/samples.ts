import type { ExecutionView, RunbookView, SearchHit, StepSpec } from '../backend/api';

/** Things as the application would tell of them, for tests: plain ones, with what a test cares about put in. */
export function step(name: string, change: Partial<StepSpec> = {}): StepSpec {
  return {
    name,
    title: name,
    type: 'automated',
    description: null,
    commands: [],
    remarks: [],
    action: null,
    parameters: null,
    effect: 'read',
    when: null,
    prerequisites: [],
    post_conditions: [],
    expected_output: null,
    success_criteria: null,
    retries: 0,
    timeout_seconds: null,
    failure_hint: null,
    continue_on_error: false,
    needs_approval: false,
    approvers: [],
    quorum: 1,
    undo: null,
    undo_only: false,
    branches: [],
    estimated_minutes: null,
    ...change,
  };
}

export function runbook(change: Partial<RunbookView> = {}): RunbookView {
  return {
    id: 'RB-1',
    name: 'sample',
    title: 'A sample',
    description: null,
    domain: null,
    category: null,
    severity: 'sev2',
    services: [],
    tags: [],
    alerts: [],
    triggers: [],
    symptoms: [],
    impact: null,
    resolution: null,
    author: null,
    version: '1.0',
    updated: null,
    review_date: null,
    estimated_minutes: null,
    automation_level: null,
    rollback_on_failure: false,
    requires_change_ticket: false,
    prerequisites: [],
    post_conditions: [],
    steps: [],
    rollback_steps: [],
    flow: [],
    related: [],
    references: [],
    changelog: [],
    ...change,
  };
}

export function hit(name: string, change: Partial<SearchHit> = {}): SearchHit {
  return {
    id: name,
    name,
    title: name,
    score: 1,
    matched: [],
    severity: 'sev2',
    category: null,
    domain: null,
    services: [],
    tags: [],
    source: 'bundled',
    hides_bundled: false,
    statistics: {
      last_execution: null,
      last_success: null,
      executions: 0,
      success_rate: null,
      average_duration_seconds: null,
    },
    ...change,
  };
}

export function execution(id: string, change: Partial<ExecutionView> = {}): ExecutionView {
  return {
    execution: id,
    label: id,
    runbook: { id: 'RB-1', name: 'sample', title: 'A sample', digest: '' },
    status: 'in_progress',
    started_by: 'ana',
    triggered_by: 'manual',
    inputs: {},
    incident: null,
    ticket: null,
    context: 'local',
    driver: { device: 'd', responder: 'ana', epoch: 1 },
    started_at: '2026-01-01T10:00:00Z',
    finished_at: null,
    duration_seconds: 1,
    error: null,
    notes: [],
    waiting_on: [],
    steps: [],
    conflicts: [],
    ...change,
  };
}
