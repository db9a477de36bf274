// An OpenID Connect provider for tests, on https://localhost. Reads one JSON object from its first argument, says one line when
// it listens, and takes one JSON object a line: {"rotate": ["ES256", …]} replaces its keys, {"add": […]} puts new ones before.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const options = JSON.parse(process.argv[2]);
const issuer = `https://localhost:${options.port}`;
const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const device = "urn:ietf:params:oauth:grant-type:device_code";
const resource = "https://assent.example/";

function makeKey(alg) {
  const kinds = {
    ES256: ["ec", { namedCurve: "P-256" }], ES384: ["ec", { namedCurve: "P-384" }], EdDSA: ["ed25519", {}],
    RS256: ["rsa", { modulusLength: 2048 }], PS256: ["rsa", { modulusLength: 2048 }],
  };
  const { privateKey } = generateKeyPairSync(...kinds[alg]);
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: `${alg}-${randomUUID()}` };
}

// Whoever logs in with a name of `people` is that person; the password does not matter.
async function findAccount(ctx, id) {
  const person = options.people[id];
  return person && { accountId: id, claims: async () => ({ sub: id, ...person }) };
}

// The signing algorithm of an access token is in its client's name: agent-ES256.
const algorithmOf = (client) => /-(ES256|ES384|EdDSA|RS256|PS256)$/.exec(client.clientId)?.[1] ?? "ES256";

function configuration(keys) {
  const machine = (id) => ({
    client_id: id, client_secret: "a secret of tests", grant_types: ["client_credentials", exchange], redirect_uris: [], response_types: [],
  });
  const screen = (id) => ({
    client_id: id, token_endpoint_auth_method: "none", grant_types: [device, "refresh_token", ...(options.redirects ? ["authorization_code"] : [])],
    redirect_uris: options.redirects ?? [], response_types: options.redirects ? ["code"] : [],
    id_token_signed_response_alg: "ES256",
  });
  return {
    jwks: { keys },
    clients: [...["ES256", "ES384", "EdDSA", "RS256", "PS256"].map((alg) => machine(`agent-${alg}`)), screen("assent-cli"), screen("assent-agent")],
    findAccount,
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"], host: ["host_user"] },
    scopes: ["openid", "email", "groups", "host", "offline_access", "run"],
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ["ES256", "RS256"] },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client) => (client.clientId === "assent-cli" ? undefined : resource),
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, asked, client) => ({
          scope: "run", audience: "assent", accessTokenFormat: "jwt", accessTokenTTL: options.ttl ?? 600,
          jwt: { sign: { alg: algorithmOf(client) } },
        }),
      },
    },
    extraTokenClaims: (ctx) => ({ groups: ["bots"], ...(ctx.actor ? { act: ctx.actor } : {}) }),
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    ttl: {
      AccessToken: 600, ClientCredentials: options.ttl ?? 600, IdToken: options.idTtl ?? 600, RefreshToken: 3600, DeviceCode: 600, Grant: 3600,
      Interaction: 600, Session: 600,
    },
    cookies: { keys: ["tests"] },
  };
}

// RFC 8693: the subject is an account, whom the test names; the actors are the client and whoever acted before.
function addExchange(provider) {
  provider.registerGrantType(exchange, async (ctx) => {
    const { AccessToken, ResourceServer } = ctx.oidc.provider;
    const { client, params } = ctx.oidc;
    const subject = params.subject_token;
    ctx.actor = { sub: client.clientId, ...(params.actor_token ? { act: { sub: params.actor_token } } : {}) };
    const token = new AccessToken({ accountId: subject, client, grantId: "exchanged", gty: "token_exchange", scope: "run" });
    const info = await configuration([]).features.resourceIndicators.getResourceServerInfo(ctx, resource, client);
    token.resourceServer = new ResourceServer(resource, info);
    ctx.body = {
      access_token: await token.save(), issued_token_type: "urn:ietf:params:oauth:token-type:access_token", token_type: "Bearer",
      expires_in: token.expiration,
    };
  }, ["subject_token", "subject_token_type", "actor_token"]);
}

function serve(keys) {
  const provider = new Provider(issuer, configuration(keys));
  addExchange(provider);
  provider.on("server_error", (ctx, error) => console.error(error));
  return provider.callback();
}

let keys = ["ES256", "ES384", "EdDSA", "RS256", "PS256"].map(makeKey);
let handle = serve(keys);
const server = createServer({ cert: readFileSync(options.cert), key: readFileSync(options.key) }, (request, response) => handle(request, response));
server.listen(options.port, "127.0.0.1", () => console.log(JSON.stringify({ issuer })));

createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  if (asked.rotate) keys = asked.rotate.map(makeKey);
  if (asked.add) keys = [...asked.add.map(makeKey), ...keys];
  handle = serve(keys);
  console.log(JSON.stringify({ kids: keys.map((key) => key.kid) }));
}).on("close", () => process.exit(0));
