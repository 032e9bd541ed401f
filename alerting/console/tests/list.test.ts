import { describe, expect, it } from 'vitest';
import type { Incident } from '../src/api/types';
import { NO_FILTER } from '../src/incident/filter';
import {
  firstPage,
  MAX_PENDING,
  nextPage,
  receive,
  showPending,
  type IncidentList,
} from '../src/incident/list';
import { incident, incidents } from '../e2e/support/fixtures';

function loaded(count: number, cursor: string | null = null): IncidentList {
  return firstPage(NO_FILTER, {
    incidents: incidents(count),
    next_cursor: cursor,
    total: 120,
    total_is_exact: true,
  });
}

const ids = (rows: readonly Incident[]) => rows.map(({ id }) => id);
const changed = (index: number, change: Partial<Incident>): Incident => ({
  ...incident(index),
  version: 2,
  ...change,
});

describe('live updates', () => {
  it('change a row in its place', () => {
    const list = receive(loaded(4), changed(2, { state: 'acknowledged' }));
    expect(ids(list.rows)).toEqual(['inc-0', 'inc-1', 'inc-2', 'inc-3']);
    expect(list.rows[2]?.state).toBe('acknowledged');
  });

  it('keep a row that no longer matches the filter under the hand that is on it', () => {
    const list = firstPage(
      { ...NO_FILTER, state: 'new' },
      { incidents: [incident(0)], next_cursor: null, total: 1, total_is_exact: true },
    );
    const after = receive(list, changed(0, { state: 'closed' }));
    expect(ids(after.rows)).toEqual(['inc-0']);
    expect(after.rows[0]?.state).toBe('closed');
  });

  it('do not go back to an older version', () => {
    const list = receive(loaded(2), changed(1, { state: 'seen', version: 5 }));
    expect(receive(list, changed(1, { state: 'new', version: 4 }))).toBe(list);
    expect(receive(list, changed(1, { state: 'new', version: 5 }))).toBe(list);
  });

  it('hold newcomers back, newest on top, and move no row', () => {
    let list = loaded(3);
    for (const index of [-1, -2, -3]) list = receive(list, incident(index));
    expect(ids(list.rows)).toEqual(['inc-0', 'inc-1', 'inc-2']);
    expect(ids(list.pending)).toEqual(['inc-new3', 'inc-new2', 'inc-new1']);

    const shown = showPending(list);
    expect(ids(shown.rows)).toEqual(['inc-new3', 'inc-new2', 'inc-new1', 'inc-0', 'inc-1', 'inc-2']);
    expect(shown.pending).toEqual([]);
    expect(shown.total).toBe(123);
  });

  it('update a newcomer that waits, and drop it when it no longer matches', () => {
    const list = receive(
      firstPage(
        { ...NO_FILTER, state: 'new' },
        { incidents: [incident(0)], next_cursor: null, total: 1, total_is_exact: true },
      ),
      incident(-1),
    );
    expect(receive(list, { ...incident(-1), version: 2, count: 99 }).pending[0]?.count).toBe(99);
    expect(receive(list, { ...incident(-1), version: 2, state: 'closed' }).pending).toEqual([]);
  });

  it('ignore what the filter leaves out', () => {
    const list = firstPage(
      { ...NO_FILTER, severity: 'low' },
      { incidents: [incident(3)], next_cursor: null, total: 1, total_is_exact: true },
    );
    expect(receive(list, { ...incident(-1), severity: 'high' })).toBe(list);
  });

  it('leave what belongs on a later page to that page, whatever the age of its events', () => {
    const old = { first_seen: '2019-01-01T00:00:00Z', last_seen: '2019-01-01T00:00:00Z' };
    expect(ids(receive(loaded(3, '3'), { ...incident(-1), ...old }).pending)).toEqual(['inc-new1']);
    expect(receive(loaded(3, '3'), changed(50, {})).pending).toEqual([]);
    expect(ids(receive(loaded(3, null), changed(50, {})).pending)).toEqual(['inc-50']);
  });

  it('fill an empty list at once: nothing there can jump', () => {
    const list = receive(
      firstPage(NO_FILTER, { incidents: [], next_cursor: null, total: 0, total_is_exact: true }),
      incident(0),
    );
    expect(ids(list.rows)).toEqual(['inc-0']);
    expect(list.total).toBe(1);
  });

  it('hold back no more than the bound', () => {
    let list = loaded(1);
    for (let index = 1; index <= MAX_PENDING + 20; index += 1) list = receive(list, incident(-index));
    expect(list.pending).toHaveLength(MAX_PENDING);
  });
});

describe('pages', () => {
  it('follow each other, with no incident twice', () => {
    const list = nextPage(loaded(3, '3'), {
      incidents: [incident(2), incident(3), incident(4)],
      next_cursor: '6',
      total: 120,
      total_is_exact: true,
    });
    expect(ids(list.rows)).toEqual(['inc-0', 'inc-1', 'inc-2', 'inc-3', 'inc-4']);
    expect(list.nextCursor).toBe('6');
  });

  it('do not bring up what waits to be shown', () => {
    const waiting = receive(loaded(2, '2'), incident(-1));
    const list = nextPage(waiting, {
      incidents: [incident(-1), incident(2)],
      next_cursor: null,
      total: 120,
      total_is_exact: true,
    });
    expect(ids(list.rows)).toEqual(['inc-0', 'inc-1', 'inc-2']);
    expect(ids(list.pending)).toEqual(['inc-new1']);
  });
});

describe('a total that was not counted to its end', () => {
  it('is told as such, page after page', () => {
    const first = firstPage(NO_FILTER, {
      incidents: incidents(2),
      next_cursor: 'more',
      total: 1000,
      total_is_exact: false,
    });
    expect(first.isTotalExact).toBe(false);
    const next = { incidents: [incident(2)], next_cursor: null, total: 1000, total_is_exact: false };
    expect(nextPage(first, next)).toMatchObject({ isTotalExact: false, total: 1000 });
  });
});
