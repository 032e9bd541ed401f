import { describe, expect, it } from 'vitest';
import { incident } from '../e2e/support/fixtures';
import type { Incident } from '../src/api/types';
import { entityParts, headline, indicatorOf, matchedIn, sourceName } from '../src/incident/wording';
import { LANGUAGES } from '../src/text/catalogue';

function indicator(id: string): Incident {
  const base = incident(0);
  const [kind = '', ...value] = id.split(':');
  const name = `Known bad ${kind}: ${value.join(':')}`;
  return { ...base, title: name, source: { ...base.source, kind: 'indicator', id, name } };
}

describe('the headline', () => {
  it('is the sentence of what happened, with the rule below', () => {
    const base = { ...incident(0), title: 'Port Scan of One Machine' };
    expect(headline(base, 'nn')).toEqual({ text: base.summary.nn, rule: 'Port Scan of One Machine' });
  });

  it('is the rule alone where there is no sentence, or where that says the same', () => {
    for (const nb of ['', 'Port Scan']) {
      const base = incident(0);
      const bare = { ...base, title: 'Port Scan', summary: { ...base.summary, nb } };
      expect(headline(bare, 'nb')).toEqual({ text: 'Port Scan', rule: null });
    }
  });

  it.each([
    ['ip:192.0.2.1', 'Kjent skadelig IP-adresse: 192.0.2.1', 'Kjend skadeleg IP-adresse: 192.0.2.1'],
    ['ip:2001:db8::1', 'Kjent skadelig IP-adresse: 2001:db8::1', 'Kjend skadeleg IP-adresse: 2001:db8::1'],
    [
      'cidr:2001:db8::/32',
      'Kjent skadelig adresseområde: 2001:db8::/32',
      'Kjent skadeleg adresseområde: 2001:db8::/32',
    ],
    ['domain:x.example', 'Kjent skadelig domene: x.example', 'Kjent skadeleg domene: x.example'],
    [
      'url:http://x.example:8080/a',
      'Kjent skadelig nettadresse: http://x.example:8080/a',
      'Kjend skadeleg nettadresse: http://x.example:8080/a',
    ],
  ])('of the indicator %s is in the language of the reader', (id, nb, nn) => {
    expect(headline(indicator(id), 'nb')).toEqual({ text: nb, rule: null });
    expect(headline(indicator(id), 'nn').text).toBe(nn);
    expect(sourceName(indicator(id).source, 'nb')).toBe(nb);
  });

  it.each(['ip', 'cidr', 'domain', 'url', 'email', 'md5', 'sha1', 'sha256', 'ja3', 'ja4'])(
    'has words for the kind %s in every language',
    (kind) => {
      for (const language of LANGUAGES)
        expect(indicatorOf(indicator(`${kind}:x`).source, language)).toMatchObject({ value: 'x' });
    },
  );

  it.each(['imphash:x', 'constructor:x', 'x'])('of %s, which we have no words for, is as it came', (id) => {
    const unknown = indicator(id);
    expect(headline(unknown, 'nb')).toEqual({ text: unknown.title, rule: null });
  });
});

describe('what matched', () => {
  it.each([
    ['domain:c2.example', 'domain c2.example', 'c2.example'],
    ['ip:2001:db8::1', 'ip 2001:db8::1', '2001:db8::1'],
    ['domain:c2.example', 'c2.example', 'c2.example'],
    ['domain:c2.example', 22, 22],
  ])('of %s, told as %j, is %j', (id, matched, expected) => {
    const evidence = [{ event_id: 'e1', field: 'f', value: 'v', matched }];
    expect(matchedIn({ source: indicator(id).source, evidence })[0]?.matched).toBe(expected);
  });

  it('of a rule is left alone', () => {
    const evidence = [{ event_id: 'e1', field: 'f', value: 'v', matched: 'domain x' }];
    expect(matchedIn({ source: { ...incident(0).source, kind: 'sigma' }, evidence })).toBe(evidence);
  });
});

describe('whom it concerns', () => {
  it.each([
    ['source.ip', '2001:db8::1', ['source.ip=2001:db8::1']],
    ['source.ip + host.name', '192.0.2.1 + srv1', ['source.ip=192.0.2.1', 'host.name=srv1']],
    ['user.name', 'a + b', ['user.name=a + b']],
    ['source.ip + host.name', '*', ['source.ip + host.name=several']],
    ['', '', ['=']],
  ])('by %j is %j', (field, value, expected) => {
    expect(entityParts({ field, value }, 'several').map((part) => `${part.field}=${part.value}`)).toEqual(
      expected,
    );
  });
});
