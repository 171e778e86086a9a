import { createSubscriber } from 'svelte/reactivity';

/** How often relative times are written anew, in milliseconds. */
const STEP = 15_000;

const every = (step: number) =>
  createSubscriber((update) => {
    const timer = setInterval(update, step);
    return () => clearInterval(timer);
  });

const slow = every(STEP);
const fast = every(1000);

/** Now, in milliseconds; whoever reads it while rendering is rendered again as time goes by. */
export function now(): number {
  slow();
  return Date.now();
}

/** Now, to the second. */
export function ticking(): number {
  fast();
  return Date.now();
}
