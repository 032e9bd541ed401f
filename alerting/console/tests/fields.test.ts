import { describe, expect, it } from 'vitest';
import { isWebAddress } from '../src/incident/detail-why';
import { fieldRows, valueText } from '../src/incident/fields';

const event = (fields: Record<string, unknown>) => ({ id: 'e1', timestamp: '2026-11-22T13:05:09Z', fields });
const evidence = (field: string, matched: unknown, event_id = 'e1') => ({
  event_id,
  field,
  value: matched,
  matched,
});

/** `a[b]c`: the marked part in brackets. */
function marked(fields: Record<string, unknown>, ...items: ReturnType<typeof evidence>[]): string[] {
  return fieldRows(event(fields), items).map(
    ({ field, pieces }) =>
      `${field}=${pieces.map(({ text, isMatch }) => (isMatch ? `[${text}]` : text)).join('')}`,
  );
}

describe('the fields of an event', () => {
  it('come with the matched ones first, then what is read first, then by name', () => {
    const fields = {
      'zeek.uid': 'C1',
      'source.ip': '192.0.2.1',
      'a.b': 1,
      'url.path': '/x',
      '@timestamp': 't',
    };
    expect(marked(fields, evidence('url.path', '/x'))).toEqual([
      'url.path=[/x]',
      '@timestamp=t',
      'source.ip=192.0.2.1',
      'a.b=1',
      'zeek.uid=C1',
    ]);
  });

  it.each([
    ['abc.c2.example', 'c2.example', 'abc.[c2.example]'],
    ['ABC.C2.Example', 'c2.example', 'ABC.[C2.Example]'],
    ['2001:db8::1', '2001:db8::/32', '[2001:db8::1]'],
    ['192.0.2.1', '192.0.2.0/24', '[192.0.2.1]'],
    [22, 22, '[22]'],
    [['a', 'b'], 'b', 'a, [b]'],
    ['value', '', '[value]'],
    ['İstanbul c2', 'c2', 'İstanbul [c2]'],
  ])('mark the part of %j that %j matched', (value, matched, expected) => {
    expect(marked({ 'dns.question.name': value }, evidence('dns.question.name', matched))).toEqual([
      `dns.question.name=${expected}`,
    ]);
  });

  it('mark two parts of one value once each, overlapping or not', () => {
    const two = [evidence('f', 'abc'), evidence('f', 'bcd'), evidence('f', 'x')];
    expect(marked({ f: 'abcd-x' }, ...two)).toEqual(['f=[abc][d]-[x]']);
  });

  it('are not marked by the evidence of another event', () => {
    expect(marked({ 'source.ip': '192.0.2.1' }, evidence('source.ip', '192.0.2.1', 'e2'))).toEqual([
      'source.ip=192.0.2.1',
    ]);
  });

  it('are the same nested and flat', () => {
    expect(marked({ source: { ip: '2001:db8::1', port: 5 } })).toEqual([
      'source.ip=2001:db8::1',
      'source.port=5',
    ]);
  });

  it('show any JSON value as text', () => {
    expect([null, undefined, true, 1.5, 's', ['a', 1], { a: [1] }].map(valueText)).toEqual([
      '',
      '',
      'true',
      '1.5',
      's',
      'a, 1',
      '{"a":[1]}',
    ]);
  });
});

describe('a reference in a rule', () => {
  it.each([
    ['https://attack.mitre.org/techniques/T1046/', true],
    ['http://example.no', true],
    ['javascript:alert(1)', false],
    ['data:text/html,x', false],
    ['Intern rutine 4', false],
  ])('%s is a link: %s', (reference, expected) => {
    expect(isWebAddress(reference)).toBe(expected);
  });
});
