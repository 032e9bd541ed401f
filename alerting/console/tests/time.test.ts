import { describe, expect, it } from 'vitest';
import { longTime, shortTime, utcTime } from '../src/time';

const NOW = new Date('2026-11-22T12:00:00Z');

describe('times are Norwegian', () => {
  it.each([
    // Winter is an hour ahead of UTC, summer two; midnight belongs to the new day.
    ['2026-11-22T13:05:09Z', '22. nov. 14:05', '22. november 2026 kl. 14:05:09'],
    ['2026-07-01T22:30:00Z', '2. juli 00:30', '2. juli 2026 kl. 00:30:00'],
    ['2025-12-31T23:00:00Z', '1. jan. 00:00', '1. januar 2026 kl. 00:00:00'],
    ['2025-12-31T22:59:59Z', '31. des. 2025 23:59', '31. desember 2025 kl. 23:59:59'],
    // The night the clock is set back: the same hour twice, the UTC beside it tells which.
    ['2026-10-25T00:30:00Z', '25. okt. 02:30', '25. oktober 2026 kl. 02:30:00'],
    ['2026-10-25T01:30:00Z', '25. okt. 02:30', '25. oktober 2026 kl. 02:30:00'],
    // With an offset or with fractions it is the same instant.
    ['2026-11-22T15:05:09+02:00', '22. nov. 14:05', '22. november 2026 kl. 14:05:09'],
    ['2026-11-22T13:05:09.123456789Z', '22. nov. 14:05', '22. november 2026 kl. 14:05:09'],
  ])('%s', (instant, short, long) => {
    expect(shortTime(instant, 'nb', NOW)).toBe(short);
    expect(shortTime(instant, 'nn', NOW)).toBe(short);
    expect(longTime(instant, 'nb')).toBe(long);
  });

  it('has the English order in English', () => {
    expect(shortTime('2026-11-22T13:05:09Z', 'en', NOW)).toBe('22 Nov 14:05');
    expect(longTime('2026-11-22T13:05:09Z', 'en')).toBe('22 November 2026 at 14:05:09');
  });

  it('shows UTC to the one who compares with a log', () => {
    expect(utcTime('2026-11-22T15:05:09.5+02:00')).toBe('2026-11-22 13:05:09 UTC');
  });

  it('shows what it cannot read as it came', () => {
    expect(shortTime('soon', 'nb', NOW)).toBe('soon');
    expect(longTime('', 'nb')).toBe('');
    expect(utcTime('soon')).toBe('soon');
  });
});
