// The wire shapes of `/api/v1`, as the alerting service sends them (snake_case, RFC 3339 UTC times).
// Not a model of the console's own: what a page derives from these lives beside the page.

export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'informational'] as const;
export type Severity = (typeof SEVERITIES)[number];

export const STATES = ['new', 'notified', 'seen', 'acknowledged', 'closed'] as const;
export type State = (typeof STATES)[number];

export const VERDICTS = ['true_positive', 'false_positive', 'need_help'] as const;
export type Verdict = (typeof VERDICTS)[number];

export type Language = 'nb' | 'nn' | 'en';

/** The same sentence in each of the console's languages. */
export type Worded = Readonly<Record<Language, string>>;

export interface Organization {
  number: string;
  name: string;
}

export interface Source {
  kind: 'sigma' | 'correlation' | 'indicator' | 'anomaly' | 'integrity' | 'model';
  id: string;
  name: string;
  version: string;
  author: string[];
}

/** One row of the list, and what the stream sends. `version` grows by one at every change. */
export interface Incident {
  id: string;
  title: string;
  summary: Worded;
  severity: Severity;
  state: State;
  verdict: Verdict | null;
  organization: Organization;
  entity: { field: string; value: string };
  source: Source;
  count: number;
  first_seen: string;
  last_seen: string;
  tlp: string;
  exercise: boolean;
  updated_at: string;
  version: number;
}

export interface Evidence {
  event_id: string;
  field: string;
  value: unknown;
  matched: unknown;
}

export interface IncidentEvent {
  id: string;
  timestamp: string;
  fields: Record<string, unknown>;
}

/** What was looked at to find whom to tell, what that came to, and the values that decided. */
export interface RouteStep {
  step:
    | 'address'
    | 'domain'
    | 'sensor'
    | 'system'
    | 'organization'
    | 'succession'
    | 'responder'
    | 'operator'
    | 'duty';
  result: 'matched' | 'no_match' | 'outranked' | 'stranger' | 'undecided' | 'told' | 'not_told';
  detail: string;
}

export interface Notification {
  id: string;
  responder: string;
  channel: 'email' | 'webhook' | 'chat' | 'syslog';
  address_masked: string;
  state: 'pending' | 'digested' | 'sent' | 'failed' | 'withdrawn';
  sent_at: string | null;
  error: string | null;
  attempts: number;
  seen_at: string | null;
  acknowledged_at: string | null;
}

/** Something that was given up: whoever should know does not. */
export interface DeadLetter {
  id: string;
  kind: 'notification' | 'digest' | 'group' | 'given_up' | 'address_off' | 'check' | 'not_me';
  incident: string | null;
  responder: string;
  channel: string;
  address_masked: string;
  attempts: number;
  error: string;
  created_at: string;
  given_up_at: string;
}

export type ContactAnswer = 'right' | 'not_me';

/** The yearly question to a contact. */
export interface ContactView {
  contact: string;
  organization: string;
  language: string;
  answer: ContactAnswer | null;
  cert: { name: string; phone: string; email: string };
}

export interface DeadLetters {
  count: number;
  dead_letters: DeadLetter[];
}

export interface TimelineEntry {
  at: string;
  kind:
    | 'opened'
    | 'alert'
    | 'notified'
    | 'seen'
    | 'acknowledged'
    | 'verdict'
    | 'comment'
    | 'escalated'
    | 'silenced'
    | 'inhibited'
    | 'woken'
    | 'closed';
  actor: string;
  text: string;
}

/** What a correlation counted, when one raised the incident. */
export interface CorrelationWindow {
  start: string;
  end: string;
  count: number;
  /** The number in `condition`, where there is one. */
  threshold: number | null;
  /** As the rule says it: `>= 10`. */
  condition: string;
  group_by: string[];
}

export type Confidence = 'low' | 'medium' | 'high';

/** What a responder may see of an incident: nothing about how others were told. */
export interface IncidentExplained extends Incident {
  first_step: Worded;
  confidence: Confidence;
  description: string;
  references: string[];
  tags: string[];
  evidence: Evidence[];
  events: IncidentEvent[];
  window: CorrelationWindow | null;
  /** Only of an incident about many things: those with the most alerts, and how many there are. */
  members?: { value: string; count: number; first_seen: string; last_seen: string }[];
  members_total?: number;
}

export interface IncidentDetail extends IncidentExplained {
  route: RouteStep[];
  notifications: Notification[];
  timeline: TimelineEntry[];
}

export interface IncidentPage {
  incidents: Incident[];
  next_cursor: string | null;
  /** All that match, or, of a search, at least so many. */
  total: number;
  total_is_exact: boolean;
}

export interface ResponderView {
  incident: IncidentExplained;
  organization: Organization;
  contact: { cert_name: string; cert_phone: string; cert_email: string };
  language: Language;
  state: { seen_at: string | null; acknowledged_at: string | null; verdict: Verdict | null };
}

/** Who is logged in. */
export interface Me {
  name: string;
  login: string;
  can_log_out: boolean;
  /** Whether one may have passkeys. */
  passkeys: boolean;
  may: string[];
  /** Null where everything is seen. */
  organizations: Organization[] | null;
  ask: string | null;
}

/** How one logs in. */
export interface LoginWays {
  required: boolean;
  local: boolean;
  /** Whether one can with a passkey. */
  passkeys: boolean;
  ask: string | null;
  /** Identity providers, and whether each answers. */
  providers: { id: string; name: string; is_there: boolean }[];
  /** Why somebody who came by a provider was not let in, a few minutes ago. */
  refused: { provider: string; reason: string; code: string | null } | null;
}

/** A passkey of one's own. */
export interface Passkey {
  id: string;
  name: string;
  created_at: string;
  used_at: string | null;
  /** Whether it is refused, as there seem to be two of it. */
  copied: boolean;
}

export interface PasskeyList {
  passkeys: Passkey[];
  /** Whether one logged in so lately that one can be added. */
  can_add: boolean;
  most: number;
}
