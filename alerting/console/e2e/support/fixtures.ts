// Made-up incidents in the shapes of `/api/v1`, for the tests that need no service: layout, keyboard, live updates,
// errors. Addresses are from the documentation ranges; no real municipality's network is described.
import type { Incident, IncidentDetail, IncidentEvent, ResponderView, Severity } from '../../src/api/types';

export const RESPONDER_TOKEN = 'fixture-token';

const MUNICIPALITIES = [
  { number: '964338531', name: 'Bergen kommune' },
  { number: '942110464', name: 'Trondheim kommune' },
  { number: '963296746', name: 'Kautokeino kommune – Guovdageainnu suohkan' },
  { number: '939600515', name: 'Nordre Follo kommune' },
] as const;

const KINDS = [
  {
    title: 'Portskanning fra én maskin',
    severity: 'medium',
    field: 'source.ip',
    value: '192.0.2.44',
    summary: {
      nb: 'En maskin har prøvd mange porter på kort tid. Det gjør noen som leter etter åpne dører.',
      nn: 'Ei maskin har prøvd mange portar på kort tid. Det gjer nokon som leitar etter opne dører.',
      en: 'One machine tried many ports in a short time. That is what someone looking for open doors does.',
    },
    source: { kind: 'correlation', name: 'Mange porter fra én avsender' },
  },
  {
    title: 'Gjentatte mislykkede innlogginger over SSH',
    severity: 'high',
    field: 'source.ip',
    value: '2001:db8:40::17',
    summary: {
      nb: 'Noen har prøvd mange passord mot en av maskinene deres.',
      nn: 'Nokon har prøvd mange passord mot ei av maskinene dykkar.',
      en: 'Someone has tried many passwords against one of your machines.',
    },
    source: { kind: 'correlation', name: 'Passordgjetting over SSH' },
  },
  {
    title: 'Known bad domain: c2.example',
    severity: 'critical',
    field: 'host.ip',
    value: '198.51.100.23',
    summary: {
      nb: 'En maskin hos dere spurte etter et navn som brukes til å styre skadevare.',
      nn: 'Ei maskin hos dykk spurde etter eit namn som blir brukt til å styre skadevare.',
      en: 'A machine of yours asked for a name that is used to control malware.',
    },
    source: { kind: 'indicator', name: 'Known bad domain: c2.example', id: 'domain:c2.example' },
  },
  {
    title: 'Data smugles ut i DNS-oppslag',
    severity: 'low',
    field: 'dns.question.name',
    value: 'q7f3a9.t.example',
    summary: {
      nb: 'En maskin sender uvanlig lange DNS-spørsmål. Det kan være en skjult kanal.',
      nn: 'Ei maskin sender uvanleg lange DNS-spørsmål. Det kan vere ein skjult kanal.',
      en: 'A machine sends unusually long DNS questions. It may be a hidden channel.',
    },
    source: { kind: 'sigma', name: 'Lange DNS-spørsmål' },
  },
  {
    title: 'Ny tjener for fjernstyring er tatt i bruk',
    severity: 'informational',
    field: 'host.name',
    value: 'kontor-pc-0417',
    summary: {
      nb: 'En maskin har begynt å bruke et program for fjernstyring.',
      nn: 'Ei maskin har byrja å bruke eit program for fjernstyring.',
      en: 'A machine has started to use a remote control program.',
    },
    source: { kind: 'sigma', name: 'Fjernstyring' },
  },
] as const;

const STATES = ['new', 'notified', 'seen', 'acknowledged', 'closed'] as const;
const START = Date.parse('2026-11-22T06:00:00Z');

/** `count` incidents, newest first, the same at every call. */
export function incidents(count: number): Incident[] {
  return Array.from({ length: count }, (_, index) => incident(index));
}

/** The `index`th newest; negative ones are newer than the newest in `incidents`. */
export function incident(index: number): Incident {
  const kind = KINDS[((index % KINDS.length) + KINDS.length) % KINDS.length]!;
  const at = START - index * 17 * 60_000;
  const state = index < 0 ? 'new' : STATES[Math.floor(index / 2) % STATES.length]!;
  return {
    id: `inc-${index < 0 ? `new${-index}` : index}`,
    title: kind.title,
    summary: kind.summary,
    severity: kind.severity satisfies Severity,
    state,
    verdict: state === 'closed' ? (index % 4 === 0 ? 'true_positive' : 'false_positive') : null,
    organization: MUNICIPALITIES[Math.abs(index) % MUNICIPALITIES.length]!,
    entity: { field: kind.field, value: kind.value },
    source: {
      id: `varde-${Math.abs(index) % KINDS.length}`,
      ...kind.source,
      version: '2026-11-01',
      author: ['Varde'],
    },
    count: 1 + Math.abs(index) * 7,
    first_seen: new Date(at - 9 * 60_000).toISOString(),
    last_seen: new Date(at).toISOString(),
    tlp: 'TLP:AMBER',
    exercise: index === 3,
    updated_at: new Date(at).toISOString(),
    version: 1,
  };
}

export function detailOf(summary: Incident): IncidentDetail {
  const events = eventsOf(summary);
  const last = summary.last_seen;
  return {
    ...summary,
    first_step: {
      nb: 'Finn ut hvilken maskin det er, og hvem som bruker den. Ikke slå den av før dere har snakket med oss.',
      nn: 'Finn ut kva maskin det er, og kven som bruker ho. Ikkje slå ho av før de har snakka med oss.',
      en: 'Find out which machine it is and who uses it. Do not switch it off before you have talked to us.',
    },
    confidence: 'medium',
    description: 'Slår ut når en maskin prøver flere ulike porter på én mottaker enn det vanlig bruk gjør.',
    references: ['https://attack.mitre.org/techniques/T1046/', 'javascript:alert(1)'],
    tags: ['attack.discovery', 'attack.t1046'],
    evidence: events.slice(0, 2).flatMap((event) => [
      { event_id: event.id, field: 'dns.question.name', value: 'abc.c2.example', matched: 'c2.example' },
      { event_id: event.id, field: 'destination.port', value: 22, matched: 22 },
    ]),
    events,
    window: {
      start: summary.first_seen,
      end: last,
      count: 118,
      threshold: 30,
      condition: '>= 30',
      group_by: ['source.ip', 'destination.ip'],
    },
    route: [
      { step: 'address', result: 'no_match', detail: summary.entity.value },
      { step: 'sensor', result: 'matched', detail: `sensor-1: ${summary.organization.name}` },
      { step: 'organization', result: 'outranked', detail: summary.organization.number },
      { step: 'responder', result: 'told', detail: 'IT-vakt: high ≥ medium' },
    ],
    notifications: [
      {
        id: 'n1',
        responder: 'IT-vakt',
        channel: 'email',
        address_masked: 'i•••@kommune.example',
        state: 'sent',
        sent_at: last,
        error: null,
        attempts: 1,
        seen_at: last,
        acknowledged_at: null,
      },
      {
        id: 'n2',
        responder: 'Saksystem',
        channel: 'webhook',
        address_masked: 'https://sak.kommune.example/•••',
        state: 'failed',
        sent_at: null,
        error: 'Svarte ikke innen 10 sekunder.',
        attempts: 3,
        seen_at: null,
        acknowledged_at: null,
      },
    ],
    timeline: [
      { at: summary.first_seen, kind: 'opened', actor: 'Varde', text: 'Første varsel.' },
      { at: last, kind: 'notified', actor: 'Varde', text: 'E-post til IT-vakt.' },
    ],
  };
}

export function responderOf(detail: IncidentDetail): ResponderView {
  const { route: _route, notifications: _notifications, timeline: _timeline, ...incident } = detail;
  return {
    incident,
    organization: detail.organization,
    contact: { cert_name: 'KommuneCERT', cert_phone: '+47 00 00 00 00', cert_email: 'vakt@cert.example' },
    language: 'nb',
    state: { seen_at: null, acknowledged_at: null, verdict: null },
  };
}

function eventsOf(summary: Incident): IncidentEvent[] {
  return [0, 1, 2].map((index) => ({
    id: `${summary.id}-event-${index}`,
    timestamp: new Date(Date.parse(summary.first_seen) + index * 3_000).toISOString(),
    fields: {
      '@timestamp': new Date(Date.parse(summary.first_seen) + index * 3_000).toISOString(),
      'event.dataset': 'zeek.dns',
      'source.ip': '192.0.2.44',
      'source.port': 51_514 + index,
      'destination.ip': '2001:db8::53',
      'destination.port': 22,
      'dns.question.name': index < 2 ? 'abc.c2.example' : 'www.kommune.example',
      'network.transport': 'udp',
      'network.community_id': '1:d/FP5EW3wiY1vCndhwleRRKHowQ=',
      'log.file.path': 'cases/dns.pcap',
    },
  }));
}
