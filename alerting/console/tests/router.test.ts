import { describe, expect, it } from 'vitest';
import { backFrom, incidentPath, routeOf, type Route } from '../src/shell/router';

describe('a path and its page', () => {
  it.each<[string, Route]>([
    ['/', { page: 'incidents' }],
    ['/incidents/01HX', { page: 'incident', id: '01HX' }],
    ['/incidents/a%2Fb', { page: 'incident', id: 'a/b' }],
    ['/r/abc.def', { page: 'responder', token: 'abc.def' }],
    ['/r/%E0%A4%A', { page: 'responder', token: '%E0%A4%A' }],
    ['/login', { page: 'login' }],
    ['/passkeys', { page: 'passkeys' }],
    ['/passkeys/1', { page: 'unknown' }],
    ['/r', { page: 'unknown' }],
    ['/incidents', { page: 'unknown' }],
    ['/incidents/1/2', { page: 'unknown' }],
    ['/sensors', { page: 'unknown' }],
  ])('%s', (path, expected) => {
    expect(routeOf(path)).toEqual(expected);
  });

  it.each([
    ['?back=%2Fincidents%2F1%3Fx%3D1', '/incidents/1?x=1'],
    ['', '/'],
    ['?back=https%3A%2F%2Fevil.example%2F', '/'],
    ['?back=%2F%2Fevil.example%2F', '/'],
    ['?back=%2F%5Cevil.example%2F', '/'],
    ['?back=%2F%09%2Fevil.example', '/'],
    ['?back=%2Flogin', '/'],
  ])('back from the login page with %s leads to %s', (search, to) => {
    expect(backFrom(search)).toBe(to);
  });

  it('is the same both ways', () => {
    expect(routeOf(incidentPath('a/b c?'))).toEqual({ page: 'incident', id: 'a/b c?' });
  });
});
