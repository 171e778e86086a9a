import type { Belay } from './belay.ts';

interface Head {
  title: string;
  steps: string;
  more?: string;
  /** What starts it. */
  alerts?: string;
}

function book(name: string, { title, steps, more = '', alerts = '{ manual: true }' }: Head): string {
  return `apiVersion: sre.oversight.io/v1
kind: Runbook
metadata:
  name: ${name}
spec:
  name: ${title}
  trigger: ${alerts}
${more}  steps:
${steps}`;
}

/** Measures, asks for a branch, asks for an approval, changes a file, and looks at what came of it. */
export function pool(belay: Belay): void {
  const limit = belay.path('limit');
  belay.book(
    'pool-exhausted',
    book('pool-exhausted', {
      title: 'Connection pool exhausted',
      more: `  id: RB-POOL
  description: The orders service has no **free connection** left.
  severity: sev2
  services: [orders]
  tags: [database, pool]
  documentation:
    symptoms: [Requests queue for a free connection of the pool]
    impact: Orders are slow, and some of them fail.
`,
      steps: `    - name: measure
      title: Count the connections
      description: Reads how many are taken.
      commands: [echo 17 of 17 connections are taken]
    - name: pick
      title: What is the cause?
      type: decision
      branches:
        small: { next: raise, description: The pool is too small for the load }
        leak: { next: end, description: A service leaks connections }
    - name: raise
      title: Raise the limit
      description: Lets the pool grow.
      commands: ['touch ${limit}']
      approval: { required: true, timeout: 10m }
      rollback:
        commands: ['rm -f ${limit}']
    - name: check
      title: The limit is raised
      type: verification
      commands: ['ls ${limit}']
      timeout: 20s
      next: end
`,
    }),
  );
}

/** Changes a file, then fails. */
export function broken(belay: Belay): void {
  const flag = belay.path('flag');
  belay.book(
    'broken-deploy',
    book('broken-deploy', {
      title: 'Deploy that breaks',
      more: '  id: RB-BROKEN\n  severity: sev3\n  services: [web]\n',
      steps: `    - name: switch
      title: Switch the flag on
      commands: ['touch ${flag}']
      rollback:
        commands: ['rm ${flag}']
    - name: deploy
      title: Deploy the release
      commands: ['ls ${belay.path('no-such-release')}']
      onFailure: stop
      rollback:
        irreversible: it only looks
      next: end
`,
    }),
  );
}

/** Takes long over a change. */
export function slow(belay: Belay, seconds: number): void {
  belay.book(
    'slow-change',
    book('slow-change', {
      title: 'Change that takes long',
      more: '  id: RB-SLOW\n  severity: sev3\n  services: [web]\n',
      steps: `    - name: first
      title: Say something
      commands: [echo ready]
    - name: change
      title: Change it slowly
      commands: ['env WHAT=change sleep ${seconds}']
      rollback:
        irreversible: nothing is left of it
      timeout: 5m
    - name: last
      title: Say that it is over
      commands: [echo over]
      next: end
`,
    }),
  );
}

/** What a hostile author writes where text is expected. */
export const HOSTILE = '<img src=x onerror="owned=1"><script>owned=1</script>';

/** Attacks the page with everything that it shows. */
export function hostile(belay: Belay): void {
  const markup = `${HOSTILE} [click](javascript:owned=1) ![pixel](http://evil.example/pixel.png)`;
  const quoted = (text: string) => JSON.stringify(text);
  const escapes = '\\u001b]0;owned\\u0007\\u001b[31mred\\u001b[0m \\u202eright to left \\u0000\\u0008';
  belay.book(
    'hostile',
    book('hostile', {
      title: quoted(`Hostile ${HOSTILE}`),
      more: `  id: RB-HOSTILE
  description: ${quoted(`Hostile ${markup}\n\n<iframe src="http://evil.example/"></iframe>\n\n[data](data:text/html,<script>owned=1</script>)`)}
  severity: sev1
  services: [${quoted(HOSTILE)}]
  documentation:
    symptoms: [${quoted(markup)}]
    impact: ${quoted(markup)}
    resolution: ${quoted(markup)}
`,
      steps: `    - name: say
      title: ${quoted(`Say hostile ${HOSTILE}`)}
      description: ${quoted(markup)}
      commands:
        - [printf, '%b', ${quoted(`${HOSTILE}\\n\\033]0;owned\\007\\033[31mred\\033[0m\\033[2J\\010\\010over\\rwritten\\n`)}]
    - name: person
      title: ${quoted(`Look ${HOSTILE}`)}
      type: manual
      description: ${quoted(markup)}
      commands: [${quoted(`echo '${HOSTILE}'`)}]
      successCriteria: "${escapes.replaceAll('\\u0000', '')} ${markup.replaceAll('"', '\\"')}"
      next: end
`,
    }),
  );
}

/** Asks for values, a checklist and a person. */
export function rehearsal(belay: Belay): void {
  belay.book(
    'rehearsal',
    book('rehearsal', {
      title: 'Rehearse the failover',
      more: `  id: RB-REHEARSAL
  description: Moves the traffic to the second region, as far as a rehearsal goes.
  severity: sev4
  services: [gateway, orders]
  inputs:
    region: { type: string, description: Where the traffic goes, default: eu-west, options: [eu-west, eu-north] }
    share: { type: integer, description: How much of it in percent, default: 5 }
`,
      steps: `    - name: announce
      title: Tell the team
      type: manual
      description: Say in the channel what is about to happen, and **wait for an answer**.
      successCriteria: Somebody has answered
    - name: shift
      title: Move the traffic
      commands: [echo moves]
    - name: look
      title: Look at the errors
      type: manual
      next: end
`,
    }),
  );
}

/** Asks for a checklist before and after, and for a value that only the way there shows to be missing. */
export function gated(belay: Belay): void {
  belay.book(
    'gated',
    book('gated', {
      title: 'Gate with a list',
      alerts: '{ alert: GateClosed }',
      more: `  id: RB-GATED
  severity: sev3
  services: [gate]
  prerequisites: [Somebody watches the graphs, The release is frozen]
  postConditions: [The graphs are calm]
`,
      steps: `    - name: look
      title: Look around
      commands: [echo looked]
    - name: name-it
      title: Name the pod
      commands: ['echo pod {{ .Alert.Labels.pod }}']
      next: end
`,
    }),
  );
}

/** Changes a file; what takes that back needs the file to be there. */
export function knotted(belay: Belay): void {
  const flag = belay.path('knot');
  belay.book(
    'knotted',
    book('knotted', {
      title: 'Change that gets stuck',
      more: '  id: RB-KNOT\n  severity: sev3\n  services: [web]\n',
      steps: `    - name: first
      title: Announce it
      commands: ['touch ${flag}-announced']
      rollback:
        irreversible: people have read it
    - name: tie
      title: Tie the knot
      commands: ['touch ${flag}']
      rollback:
        commands: ['cp ${flag} ${flag}-untied']
      next: end
`,
    }),
  );
}

/** A payload as Alertmanager sends it. */
export function payload(alert: string, labels: Record<string, string> = {}): string {
  return JSON.stringify({
    version: '4',
    status: 'firing',
    alerts: [
      {
        status: 'firing',
        labels: { alertname: alert, severity: 'critical', ...labels },
        annotations: { summary: 'Nobody gets through the gate' },
        startsAt: '2026-01-01T10:00:00Z',
        fingerprint: 'abcdef0123456789',
      },
    ],
  });
}

/** Asks for a service of the context. */
export function serviced(belay: Belay): void {
  belay.book(
    'serviced',
    book('serviced', {
      title: 'Restart a service',
      more: `  inputs:
    service: { type: string, description: The service to restart, required: true }
`,
      steps: `    - name: restart
      title: Restart it
      action: service.restart
      parameters: { service: '{{ .Vars.service }}' }
`,
    }),
  );
}
