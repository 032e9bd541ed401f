import { describe, expect, it } from 'vitest';
import type { TimelineEntry } from '../src/api/types';
import { timelineText } from '../src/incident/timeline-text';

describe('a line of the timeline', () => {
  it.each<[TimelineEntry['kind'], string, string]>([
    ['verdict', 'false_positive', 'Falsk alarm'],
    ['verdict', 'true_positive: sett: to maskiner', 'Reell: sett: to maskiner'],
    ['verdict', 'ukjent: x', 'ukjent: x'],
    ['alert', 'low → high', 'Lav → Høy'],
    ['alert', 'noe annet', 'noe annet'],
    // What a person wrote is theirs.
    ['comment', 'true_positive: low → high', 'true_positive: low → high'],
    ['acknowledged', '', ''],
  ])('%s %j', (kind, text, expected) => {
    expect(timelineText({ at: '2026-11-22T12:00:00Z', kind, actor: 'CERT', text }, 'nb')).toBe(expected);
  });
});
