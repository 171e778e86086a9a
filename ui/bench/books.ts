import type { Belay } from '../e2e/support/belay.ts';

const WORDS = [
  'latency',
  'cache',
  'queue',
  'disk',
  'memory',
  'certificate',
  'replica',
  'node',
  'login',
  'payment',
  'search',
  'checkout',
  'backup',
  'gateway',
  'quota',
  'timeout',
];

/** Ten megabytes, four in a second. */
const FLOOD =
  "yes 'a line of output as programs write them, with a few words' | head -c 10485760 | " +
  '(i=0; while [ $i -lt 25 ]; do head -c 419430; sleep 0.1; i=$((i+1)); done; cat; echo the-end)';

/** The name of a generated runbook. */
export function name(number: number): string {
  return `zq${String(number).padStart(5, '0')}`;
}

/** Fills the catalog with runbooks of the size that teams write. */
export function fill(belay: Belay, runbooks: number): void {
  for (let number = 0; number < runbooks; number += 1) {
    const word = (place: number): string => WORDS[(Math.floor(number / (place + 1)) + place * 5) % WORDS.length] ?? '';
    const steps = [4, 5, 6, 7].map((place) => {
      return `    - { name: step-${place}, title: Look at the ${word(place)}, type: manual }\n`;
    });
    belay.book(
      name(number),
      `apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: { name: ${name(number)} }
spec:
  name: Service ${name(number)} has a ${word(0)} problem
  description: The ${word(1)} of ${name(number)} is slow or gone.
  trigger: { manual: true }
  documentation:
    symptoms: [The ${word(2)} alert fires, Users see ${word(3)} errors]
  steps:
${steps.join('')}`,
    );
  }
  belay.book(
    'flood',
    `apiVersion: sre.oversight.io/v1
kind: Runbook
metadata: { name: flood }
spec:
  name: The flood
  description: Writes ten megabytes.
  trigger: { manual: true }
  steps:
    - name: write
      title: Write much
      commands:
        - [sh, -c, ${JSON.stringify(FLOOD)}]
      rollback: { irreversible: it only writes }
`,
  );
}
