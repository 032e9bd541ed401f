import { describe, expect, it } from 'vitest';
import {
  filterFromSearch,
  matches,
  NO_FILTER,
  queryFromFilter,
  searchFromFilter,
  type Filter,
} from '../src/incident/filter';
import { incident } from '../e2e/support/fixtures';

function check(search: string, expected: Partial<Filter>, written = search): void {
  const filter = filterFromSearch(search);
  expect(filter).toEqual({ ...NO_FILTER, ...expected });
  expect(searchFromFilter(filter)).toBe(written);
}

describe('a filter and its address', () => {
  it.each<[string, Partial<Filter>, string?]>([
    ['', {}],
    ['?state=new', { state: 'new' }],
    ['?severity=critical', { severity: 'critical' }],
    ['?organization=964338531', { organization: '964338531' }],
    ['?q=192.0.2.44', { q: '192.0.2.44' }],
    ['?q=2001%3Adb8%3A%3A1', { q: '2001:db8::1' }],
    [
      '?state=seen&severity=low&organization=1&q=dns',
      { state: 'seen', severity: 'low', organization: '1', q: 'dns' },
    ],
    // Written in one order, read in any.
    ['?q=a+b&state=new', { state: 'new', q: 'a b' }, '?state=new&q=a+b'],
    ['?q=blåbær', { q: 'blåbær' }, '?q=bl%C3%A5b%C3%A6r'],
    // What is unknown is left out; an old link still opens.
    ['?state=archived&color=red', {}, ''],
    ['?organization=964%20338%20531', { organization: '964338531' }, '?organization=964338531'],
    ['?organization=drop', {}, ''],
    ['?q=+++', {}, ''],
  ])('%s', (search, expected, written) => {
    check(search, expected, written);
  });

  it('asks the service for the same, a page at a time', () => {
    const filter = filterFromSearch('?severity=high&q=ssh');
    expect(queryFromFilter(filter, null).toString()).toBe('severity=high&q=ssh&limit=50');
    expect(queryFromFilter(filter, 'next/=').toString()).toBe(
      'severity=high&q=ssh&cursor=next%2F%3D&limit=50',
    );
  });
});

describe('whether a live incident belongs in the list', () => {
  const one = incident(2); // critical, notified, Kautokeino, 198.51.100.23

  it.each<[Partial<Filter>, boolean]>([
    [{}, true],
    [{ state: 'notified' }, true],
    [{ state: 'closed' }, false],
    [{ severity: 'critical' }, true],
    [{ severity: 'low' }, false],
    [{ organization: '963296746' }, true],
    [{ organization: '964338531' }, false],
    [{ q: '198.51.100' }, true],
    [{ q: 'KAUTOKEINO' }, true],
    [{ q: 'malware' }, true],
    [{ q: 'nowhere' }, false],
    [{ q: 'kautokeino', state: 'closed' }, false],
  ])('%j: %s', (filter, expected) => {
    expect(matches({ ...NO_FILTER, ...filter }, one)).toBe(expected);
  });
});
