const PRODUCTION = ['production', 'prod', 'prd', 'live'];

/** Whether an environment is production: a word of its name says so, as for the policy. */
export function isProduction(environment: string): boolean {
  return environment.split(/[-_./\s]+/).some((word) => PRODUCTION.includes(word.toLowerCase()));
}
