import { describe, expect, it } from 'vitest';
import { isProduction } from './environment';

describe('isProduction', () => {
  it.each(['production', 'PROD', 'prod-eu', 'eu-production', 'prd_1', 'eu.live'])('%s is production', (name) => {
    expect(isProduction(name)).toBe(true);
  });

  it.each(['local', 'staging', 'reproduction', 'olive', 'prod2', ''])('%s is not', (name) => {
    expect(isProduction(name)).toBe(false);
  });
});
