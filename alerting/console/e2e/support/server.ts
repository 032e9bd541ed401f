// A stand-in for the service: serves `dist/` as the binary does (same content security policy, `index.html` for
// every page) and the API from the fixtures. For what can be shown without a service; `demo.spec.ts` runs the real one.
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Incident, IncidentDetail, LoginWays, ResponderView, Verdict } from '../../src/api/types';
import { detailOf, incidents, RESPONDER_TOKEN, responderOf } from './fixtures';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** What is searched for is counted so far. */
const COUNTED_MAX = 100;

export const CONTENT_SECURITY_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

type Action = 'seen' | 'acknowledge' | 'verdict';

interface Answer {
  verdict?: Verdict;
  note?: string;
}

export class FixtureServer {
  readonly details: IncidentDetail[];
  responder: ResponderView;
  /** Ask for a login, and take this name, password and code. */
  login: { login: string; password: string; code: string } | null = null;
  private isLoggedIn = false;
  /** What the login page is told of identity providers. */
  providers: LoginWays['providers'] = [];
  refused: LoginWays['refused'] = null;
  /** Answer every API call with this status instead: 0 drops the connection. */
  failWith: number | null = null;
  readonly posts: { path: string; body: unknown }[] = [];
  private readonly streams = new Set<ServerResponse>();
  private readonly server: Server;

  constructor(count = 120) {
    this.details = incidents(count).map(detailOf);
    this.responder = responderOf(detailOf(incidents(1)[0]!));
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const stream of this.streams) stream.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Sends an incident down every open stream, as the service does when one is opened or changes. */
  push(incident: Incident): void {
    const at = this.details.findIndex((detail) => detail.id === incident.id);
    if (at < 0) this.details.unshift(detailOf(incident));
    for (const stream of this.streams) {
      stream.write(
        `id: ${incident.id}-${incident.version}\nevent: incident\ndata: ${JSON.stringify(incident)}\n\n`,
      );
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fixture');
    if (!url.pathname.startsWith('/api/')) {
      await this.serveFile(url.pathname, response);
      return;
    }
    if (this.failWith === 0) {
      request.socket.destroy();
      return;
    }
    if (this.failWith !== null) {
      problem(response, this.failWith, 'The fixture was told to fail');
      return;
    }
    const path = url.pathname.replace('/api/v1', '');
    const isOpen = path === '/login' || path.startsWith('/responder/');
    if (this.login !== null && !this.isLoggedIn && !isOpen) {
      problem(response, 401, 'log in first');
      return;
    }
    if (request.method === 'POST') {
      if (request.headers['x-requested-with'] !== 'varde') {
        problem(response, 403, 'missing x-requested-with');
        return;
      }
      const body = JSON.parse(await readBody(request)) as Answer;
      if (path === '/login' || path === '/logout') {
        this.logInOrOut(path, body, response);
        return;
      }
      this.posts.push({ path, body });
      this.act(path, body, response);
      return;
    }
    this.read(path, url.searchParams, response);
  }

  /** The session ends, as when an account is closed. */
  endSession(): void {
    this.isLoggedIn = false;
    for (const stream of this.streams) stream.destroy();
  }

  private logInOrOut(path: string, body: unknown, response: ServerResponse): void {
    this.isLoggedIn = path === '/login' && JSON.stringify(body) === JSON.stringify(this.login);
    if (path === '/login' && !this.isLoggedIn) problem(response, 401, 'wrong');
    else json(response, {});
  }

  private read(path: string, query: URLSearchParams, response: ServerResponse): void {
    if (path === '/stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': hello\n\n');
      this.streams.add(response);
      response.on('close', () => this.streams.delete(response));
    } else if (path === '/login') {
      const { providers, refused } = this;
      const ask = 'Eksempel-CERT, 22 00 00 00';
      json(response, {
        required: this.login !== null,
        local: true,
        passkeys: false,
        ask,
        providers,
        refused,
      });
    } else if (path === '/me') {
      const who = {
        name: 'Kari Nordmann',
        login: 'local',
        can_log_out: this.login !== null,
        passkeys: false,
      };
      json(response, { ...who, may: ['read'], organizations: null, ask: null });
    } else if (path === '/organizations') {
      const byNumber = new Map(this.details.map(({ organization }) => [organization.number, organization]));
      json(response, [...byNumber.values()]);
    } else if (path === '/incidents') {
      json(response, this.page(query));
    } else if (path === `/responder/${RESPONDER_TOKEN}`) {
      json(response, this.responder);
    } else if (path === '/responder/expired') {
      problem(response, 410, 'the link has expired');
    } else {
      const detail = this.details.find(({ id }) => path === `/incidents/${id}`);
      if (detail === undefined) problem(response, 404, 'not found');
      else json(response, detail);
    }
  }

  private page(query: URLSearchParams) {
    const wanted = this.details.filter(
      (detail) =>
        (query.get('state') ?? detail.state) === detail.state &&
        (query.get('severity') ?? detail.severity) === detail.severity &&
        (query.get('organization') ?? detail.organization.number) === detail.organization.number &&
        JSON.stringify(detail)
          .toLowerCase()
          .includes((query.get('q') ?? '').toLowerCase()),
    );
    const isCounted = query.get('q') === null || wanted.length <= COUNTED_MAX;
    const from = Number(query.get('cursor') ?? 0);
    const to = from + Number(query.get('limit') ?? 50);
    return {
      incidents: wanted.slice(from, to),
      next_cursor: to < wanted.length ? String(to) : null,
      total: isCounted ? wanted.length : COUNTED_MAX,
      total_is_exact: isCounted,
    };
  }

  private act(path: string, body: Answer, response: ServerResponse): void {
    const responder = /^\/responder\/fixture-token\/(seen|acknowledge|verdict)$/.exec(path);
    const action = responder ?? /^\/incidents\/[^/]+\/(acknowledge|verdict)$/.exec(path);
    const id = responder === null ? path.split('/')[2] : this.responder.incident.id;
    const at = this.details.findIndex((detail) => detail.id === id);
    const before = this.details[at];
    if (action === null || before === undefined) {
      problem(response, 404, 'not found');
      return;
    }
    const after = answered(before, action[1] as Action, body);
    this.details[at] = after;
    this.push(after);
    if (responder === null) {
      json(response, after);
      return;
    }
    const { state } = this.responder;
    const now = after.updated_at;
    this.responder = {
      ...this.responder,
      incident: responderOf(after).incident,
      state: {
        seen_at: state.seen_at ?? now,
        acknowledged_at: action[1] === 'acknowledge' ? now : state.acknowledged_at,
        verdict: body.verdict ?? state.verdict,
      },
    };
    json(response, this.responder);
  }

  private async serveFile(path: string, response: ServerResponse): Promise<void> {
    const file = normalize(join(DIST, path));
    const isInside = file.startsWith(DIST) && extname(file) !== '';
    const body = await readFile(isInside ? file : join(DIST, 'index.html')).catch(() => null);
    if (body === null) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': TYPES[isInside ? extname(file) : '.html'] ?? 'application/octet-stream',
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'x-content-type-options': 'nosniff',
    });
    response.end(body);
  }
}

/**
 * The incident after an answer: its state, its verdict and its timeline, as the service keeps them. A verdict that
 * stands already changes nothing, and its note goes nowhere.
 */
function answered(before: IncidentDetail, action: Action, { verdict, note }: Answer): IncidentDetail {
  if (verdict !== undefined && verdict === before.verdict) return before;
  const now = new Date().toISOString();
  const kind = action === 'acknowledge' ? 'acknowledged' : action;
  const worded = [verdict, note].filter((part) => part !== undefined).join(': ');
  return {
    ...before,
    state: action === 'acknowledge' ? 'acknowledged' : before.state === 'new' ? 'seen' : before.state,
    verdict: verdict ?? before.verdict,
    version: before.version + 1,
    updated_at: now,
    timeline: [...before.timeline, { at: now, kind, actor: 'IT-vakt', text: worded }],
  };
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, detail: string): void {
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: 'about:blank', title: 'Problem', status, detail }));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
