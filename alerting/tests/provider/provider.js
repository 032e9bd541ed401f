// A real identity provider (oidc-provider) on loopback, for tests: `node provider.js ADDRESS` prints its issuer and runs until
// its input ends. Whoever comes is logged in without being asked, as whom the test said by `PUT /steer`; `GET /seen` tells
// what it was asked. What it issues is its own, signed with its keys, unless the test has a claim or the head changed.
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const CLIENT = 'varde';
const CLAIMS = ['sub', 'acr', 'acrs', 'auth_time', 'authorization_details', 'groups', 'name', 'orgno', 'pid', 'roles', 'tid'];

const seen = { authorization: {}, token: {}, discoveries: 0, keys: 0, tokens: 0 };
// redirect_uris, method, secret, jwks and algorithm of the client; the user; what is changed in tokens; whether it says no.
const steer = { user: { sub: 'kari', acr: 'high', claims: {} }, tamper: null, deny: false };
let generation = 0;
let keys;
let provider;

function rotate() {
  generation += 1;
  const made = {
    RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
    EC: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  };
  keys = Object.entries(made).map(([kind, key]) => ({ kid: `${kind}-${generation}`, kind, key }));
}

function rebuild(issuer) {
  provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT,
        redirect_uris: steer.redirect_uris,
        post_logout_redirect_uris: steer.post_logout_redirect_uris,
        token_endpoint_auth_method: steer.method ?? 'client_secret_basic',
        ...(steer.secret ? { client_secret: steer.secret } : {}),
        ...(steer.jwks ? { jwks: steer.jwks } : {}),
        id_token_signed_response_alg: steer.algorithm ?? 'RS256',
      },
    ],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    acrValues: ['idporten-loa-low', 'idporten-loa-substantial', 'idporten-loa-high', 'substantial', 'high'],
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
    claims: { openid: CLAIMS },
    conformIdTokenClaims: false,
    cookies: { keys: ['only for tests'] },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true },
      claimsParameter: { enabled: true },
    },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ ...steer.user.claims, sub }) }),
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    jwks: { keys: keys.map(({ kid, key }) => ({ ...key.export({ format: 'jwk' }), kid, use: 'sig' })) },
    pkce: { required: () => true },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  });
  provider.use(async (context, next) => {
    await next();
    if (context.path === '/token' && context.body?.id_token) {
      seen.tokens += 1;
      if (steer.tamper) context.body.id_token = tampered(context.body.id_token);
    }
  });
}

// The token with other claims or another head, signed as before; or by a key that nobody has seen.
function tampered(token) {
  const [head, body] = token.split('.', 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  Object.assign(head, steer.tamper.head);
  Object.assign(body, steer.tamper.claims);
  for (const claim of steer.tamper.without ?? []) delete body[claim];
  const signed = [head, body].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const own = keys.find(({ kid }) => kid === head.kid) ?? keys[0];
  const key = steer.tamper.stranger ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey : own.key;
  if (head.alg === 'none') return `${signed}.`;
  return `${signed}.${sign('sha256', signed, key).toString('base64url')}`;
}

async function interact(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  if (steer.deny) {
    await provider.interactionFinished(request, response, { error: 'access_denied' });
    return;
  }
  const grant = new provider.Grant({ accountId: steer.user.sub, clientId: params.client_id });
  grant.addOIDCScope('openid profile');
  grant.addOIDCClaims(CLAIMS);
  const grantId = await grant.save();
  const login = { accountId: steer.user.sub, acr: steer.user.acr, ...steer.user.login };
  await provider.interactionFinished(request, response, { login, consent: { grantId } });
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || '{}');
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.writeHead(500).end(String(error));
  });
});

async function answer(request, response) {
  const url = new URL(request.url, issuer);
  if (url.pathname === '/steer') {
    const { rotate: turn, ...changes } = await bodyOf(request);
    Object.assign(steer, changes);
    if (turn) rotate();
    rebuild(issuer);
    response.writeHead(204).end();
  } else if (url.pathname === '/seen') {
    const body = JSON.stringify(seen);
    response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body);
  } else if (url.pathname.startsWith('/interaction/')) {
    await interact(request, response);
  } else {
    if (url.pathname === '/auth') seen.authorization = Object.fromEntries(url.searchParams);
    if (url.pathname === '/token') seen.token = { authorization: request.headers.authorization ?? null };
    if (url.pathname === '/jwks') seen.keys += 1;
    if (url.pathname.startsWith('/.well-known/')) seen.discoveries += 1;
    provider.callback()(request, response);
  }
}

let issuer;
rotate();
server.listen(0, process.argv[2] ?? '127.0.0.1', () => {
  const { address, family, port } = server.address();
  issuer = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  process.stdout.write(`${issuer}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
