import { describe, expect, it } from 'vitest';
import { incidentPath, routeOf, type Route } from '../src/shell/router';

describe('a path and its page', () => {
  it.each<[string, Route]>([
    ['/', { page: 'incidents' }],
    ['/incidents/01HX', { page: 'incident', id: '01HX' }],
    ['/incidents/a%2Fb', { page: 'incident', id: 'a/b' }],
    ['/r/abc.def', { page: 'responder', token: 'abc.def' }],
    ['/r/%E0%A4%A', { page: 'responder', token: '%E0%A4%A' }],
    ['/r', { page: 'unknown' }],
    ['/incidents', { page: 'unknown' }],
    ['/incidents/1/2', { page: 'unknown' }],
    ['/sensors', { page: 'unknown' }],
  ])('%s', (path, expected) => {
    expect(routeOf(path)).toEqual(expected);
  });

  it('is the same both ways', () => {
    expect(routeOf(incidentPath('a/b c?'))).toEqual({ page: 'incident', id: 'a/b c?' });
  });
});
