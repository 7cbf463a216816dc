// An OpenID Connect provider for tests: the real oidc-provider, with a few control routes.
//
// It listens on a free loopback port, prints `listening <port> <issuer>` and lives until its
// standard input closes, so that it never outlives the test that started it. With
// OIDC_TLS_ADDRESS it serves over TLS on a free port of that address instead, and the
// loopback port keeps the control routes alone.
//
// Resource indicators (RFC 8707) choose what an access token looks like; without one
// the plain audience is taken:
//   <audience>              JWT, RS256, one hour
//   <audience>/es256        the same audience, ES256
//   <audience>/short-lived  the same audience, valid for one second
//   anything else           JWT, RS256, for that other audience
// Control routes, which a production provider does not have:
//   POST /test/rotate?keep=true|false   new signing keys; keep=true still publishes the old ones
//   POST /test/login?user=U&url=URL     plays the browser from an authorisation or device
//                                       address to the end; answers the last address
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';

// Nobody reads the standard output after its one line: all else is log.
console.info = console.error;
console.warn = console.error;

const {
  OIDC_PROVIDER_MODULE, OIDC_AUDIENCE, OIDC_SERVICE_SECRET, OIDC_TLS_ADDRESS, OIDC_TLS_CERT, OIDC_TLS_KEY,
} = process.env;
const { default: Provider } = await import(pathToFileURL(OIDC_PROVIDER_MODULE).href);

const jwk = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID(),
});
const newKeys = () => [
  jwk('rsa', { modulusLength: 2048 }, 'RS256'),
  jwk('ec', { namedCurve: 'P-256' }, 'ES256'),
];

// Kept outside the provider: a rotation builds a new provider, sessions and codes survive.
const stored = new Map();
class Adapter {
  constructor(kind) { this.kind = kind; }
  key(id) { return `${this.kind}:${id}`; }
  async upsert(id, payload) { stored.set(this.key(id), structuredClone(payload)); }
  async find(id) { return structuredClone(stored.get(this.key(id))); }
  async findBy(field, value) {
    for (const [key, payload] of stored) {
      if (key.startsWith(`${this.kind}:`) && payload[field] === value) return structuredClone(payload);
    }
    return undefined;
  }
  async findByUid(uid) { return this.findBy('uid', uid); }
  async findByUserCode(code) { return this.findBy('userCode', code); }
  async consume(id) { stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { stored.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of stored) if (payload.grantId === grantId) stored.delete(key);
  }
}

const resourceServer = (indicator) => {
  const ours = indicator === OIDC_AUDIENCE || indicator.startsWith(`${OIDC_AUDIENCE}/`);
  return {
    scope: 'lake',
    audience: ours ? OIDC_AUDIENCE : indicator,
    accessTokenFormat: 'jwt',
    accessTokenTTL: indicator.endsWith('/short-lived') ? 1 : 3600,
    jwt: { sign: { alg: indicator.endsWith('/es256') ? 'ES256' : 'RS256' } },
  };
};

const nativeApp = (id) => ({
  client_id: id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  // RFC 8252, section 7.3: a loopback redirect matches on every port.
  redirect_uris: ['http://127.0.0.1/callback'],
});

const provider = (issuer, keys) => {
  const made = new Provider(issuer, {
    adapter: Adapter,
    jwks: { keys },
    cookies: { keys: ['only-for-tests'] },
    clients: [nativeApp('oscar-cli'), nativeApp('another-app'), {
      client_id: 'oscar-service',
      client_secret: OIDC_SERVICE_SECRET,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    }],
    findAccount: (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access', 'lake'],
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => OIDC_AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, indicator) => resourceServer(indicator),
      },
    },
  });
  made.on('server_error', (_ctx, error) => console.error(error));
  return made.callback();
};

// A browser with one user who agrees to everything: follows redirects, keeps cookies
// and submits the first form of every page.
const browse = async (start, user, home) => {
  const cookies = new Map();
  let address = new URL(start);
  let body;
  for (let step = 0; step < 30; step += 1) {
    const answer = await fetch(address, {
      method: body ? 'POST' : 'GET', body, redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) cookies.set(name, value); else cookies.delete(name);
    }
    body = undefined;
    if (answer.status >= 300 && answer.status < 400) {
      address = new URL(answer.headers.get('location'), address);
      if (address.origin !== home) return address.href;
      continue;
    }
    const page = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} at ${address.pathname}`);
    const form = /<form[^>]*action="([^"]+)"[^>]*>([\s\S]*?)<\/form>/.exec(page);
    if (!form) return address.href;
    body = new URLSearchParams();
    for (const [input] of form[2].matchAll(/<input[^>]*>/g)) {
      const attribute = (name) => new RegExp(`\\b${name}="([^"]*)"`).exec(input)?.[1];
      const name = attribute('name');
      if (name) body.set(name, name === 'login' ? user : attribute('value') ?? 'x');
    }
    address = new URL(form[1].replaceAll('&amp;', '&'), address);
  }
  throw new Error('the sign-in does not come to an end');
};

let keys = newKeys();
let issuer;
let handle;
const control = async (url, response) => {
  try {
    if (url.pathname === '/test/rotate') {
      keys = url.searchParams.get('keep') === 'true' ? [...newKeys(), ...keys] : newKeys();
      handle = provider(issuer, keys);
      return response.end('rotated');
    }
    if (url.pathname === '/test/login') {
      return response.end(await browse(url.searchParams.get('url'), url.searchParams.get('user'), issuer));
    }
    response.statusCode = 404;
    return response.end('no such control route');
  } catch (error) {
    response.statusCode = 500;
    return response.end(String(error));
  }
};

const listening = (server, address) => new Promise((resolve) => {
  server.listen(0, address, () => resolve(server.address().port));
});
const port = await listening(createServer((request, response) => {
  const url = new URL(request.url, 'http://127.0.0.1');
  if (request.method === 'POST' && url.pathname.startsWith('/test/')) return control(url, response);
  if (!OIDC_TLS_ADDRESS) return handle(request, response);
  response.statusCode = 404;
  return response.end('only control routes here');
}), '127.0.0.1');
issuer = `http://127.0.0.1:${port}`;
if (OIDC_TLS_ADDRESS) {
  const pair = { cert: readFileSync(OIDC_TLS_CERT), key: readFileSync(OIDC_TLS_KEY) };
  const open = await listening(createTlsServer(pair, (request, response) => handle(request, response)), OIDC_TLS_ADDRESS);
  issuer = `https://${OIDC_TLS_ADDRESS}:${open}`;
}
handle = provider(issuer, keys);
console.log(`listening ${port} ${issuer}`);
process.stdin.on('end', () => process.exit(0)).resume();
