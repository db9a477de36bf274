// The console's HTTP API (/api/v1), as openapi.json describes it.

export interface Me {
  name: string;
  issuer?: string;
  subject?: string;
  groups: string[];
  may: { view: boolean; decide: boolean; end: boolean; review: boolean }; // review: answer holds that name them
  csrf?: string;
  expires?: string;
}

export interface Act {
  approval: string;
  stage: number;
  approves: boolean;
  person: string;
  reason: string;
  time: string;
  is_runner: boolean;
  widened_s?: number;
  widened_times?: number;
}

export interface Approval {
  name: string;
  users: string[];
  groups: string[];
  is_given: boolean;
  stage?: number; // the one that waits, from 1
  stages?: Stage[];
  break_glass_s?: number;
}

export interface Stage {
  users: string[];
  groups: string[];
  quorum: number;
  given_by: string[];
  missing: number;
  state: "given" | "waits" | "later";
  is_escalated?: boolean;
  escalates?: string;
}

// An approval that lets the same statement run again, or broken glass.
export interface Grant {
  id: string;
  kind: string;
  state: string;
  hold: string;
  agent: string;
  target: string;
  text: string;
  given_by: string;
  reason: string;
  until: string;
  left_s: number;
  used: number;
  times?: number;
  needs_review?: boolean;
  review?: { by: string; text: string; time: string };
}

export interface Suspension {
  agent: string;
  by: string;
  reason: string;
  since: string;
}

export interface Status {
  approvals?: Grant[]; // in force, or broken glass that nobody has reviewed
  suspended?: Suspension[];
  [member: string]: unknown;
}

export interface Widening {
  for_s: number;
  times?: number;
}

// By the server's planner. No rows: nobody was asked, or not with success.
export interface Estimate {
  rows: { operation: string; relation: string; rows: number }[];
  why_not: string;
}

export interface Hold {
  id: string;
  state: string;
  opened: string;
  deadline: string;
  decided?: string;
  age_s: number;
  left_s: number;
  agent: string;
  target: string;
  rules: string[];
  text: string;
  is_text_whole: boolean;
  is_agent_connected: boolean;
  decided_by: string;
  reason: string;
  shape?: string;
  may?: { approve: boolean; deny: boolean; why?: string; break_glass_s?: number }; // this person, now; of one that waits
  agent_suspended?: string; // why; of one that waits
  // of a whole one
  has_escapes?: boolean;
  session?: string;
  agent_sets?: string[];
  agent_uid?: number;
  runner_uid?: number | null;
  acts_for?: { issuer: string; subject: string }[];
  exe?: string;
  purpose?: string;
  database?: string;
  database_user?: string;
  executes?: string[];
  parameters?: string[];
  message?: string;
  effects?: string[];
  before?: string[];
  estimate?: Estimate;
  is_in_transaction?: boolean;
  in_transaction_since?: string;
  policy_revision?: number;
  digest?: string;
  approvals?: Approval[];
  acts?: Act[];
}

export interface SessionRow {
  session: string;
  opened?: string;
  agent?: string;
  target?: string;
  purpose?: string;
  database?: string;
  user?: string;
  commands?: number;
  denied?: number;
  held?: number;
  errors?: number;
  closed?: string;
  cut?: string;
  why?: string;
  state?: string;
  hold?: string;
}

// A record of the log; what it has depends on its type.
export interface LogRecord {
  seq?: number;
  time?: string;
  type: string;
  [member: string]: unknown;
}

export interface Match {
  seq: number;
  time: string;
  type: string;
  session?: string;
  agent?: string;
  target?: string;
  where: string;
  excerpt: string;
}

export interface Target {
  name: string;
  addresses: string[];
  databases: string[];
  protocol: string;
  tls: string;
  has_credential: boolean;
}

export interface Policy {
  revision: number;
  digest: string;
  loaded?: string;
  not_loaded?: string[];
  agents: string[];
  targets: Target[];
  texts: Record<string, string>;
  builtin: string;
}

export interface Effect {
  operation: string;
  objects: string[];
  verdict: string;
  rules: string[];
}

export interface Explanation {
  verdict: string;
  rules: string[];
  message: string;
  effects: Effect[];
  masks: unknown[];
  statements: number;
  explanation: string;
  policy_revision: number;
  [member: string]: unknown;
}

export class Failure extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

let csrf = "";
let onSignedOut: () => void = () => undefined;

export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

// What the application asks by itself, and no person, keeps nobody signed in.
export type Asker = "person" | "application";

async function ask<T>(method: string, path: string, body?: unknown, asker: Asker = "person"): Promise<T> {
  const headers: Record<string, string> = asker === "application" ? { "X-Assent-Background": "1" } : {};
  if (method !== "GET") {
    headers["Content-Type"] = "application/json";
    headers["X-Assent-CSRF"] = csrf;
  }
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new Failure(0, "The console does not answer. Is the network there?");
  }
  const value: unknown = await answer.json().catch(() => null);
  if (answer.status === 401) onSignedOut();
  if (!answer.ok) {
    const error = (value as { error?: { message?: string } } | null)?.error;
    throw new Failure(answer.status, error?.message ?? `The console answered ${answer.status}.`);
  }
  return value as T;
}

const query = (members: Record<string, string | undefined>) => {
  const given = Object.entries(members).filter((each): each is [string, string] => Boolean(each[1]));
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const api = {
  me: async (asker: Asker = "person") => {
    const me = await ask<Me>("GET", "/api/v1/me", undefined, asker);
    csrf = me.csrf ?? "";
    return me;
  },
  providers: () => ask<{ providers: { number: number; issuer: string }[] }>("GET", "/api/v1/providers"),
  signOut: () => ask("POST", "/sign-out", {}),
  hold: (id: string, asker: Asker = "person") => ask<Hold>("GET", `/api/v1/holds/${id}`, undefined, asker),
  holds: (state: "waiting" | "all") => ask<{ holds: Hold[]; is_cut: boolean }>("GET", `/api/v1/holds${query({ state })}`),
  approve: (id: string, reason: string, wider?: { shape: Widening; most_released: number }) => ask<Hold>("POST", `/api/v1/holds/${id}/approve`, { reason, ...wider }),
  deny: (id: string, reason: string) => ask<Hold>("POST", `/api/v1/holds/${id}/deny`, { reason }),
  wouldRelease: (id: string) => ask<{ would_release: string[] }>("POST", `/api/v1/holds/${id}/approve`, { is_trial: true }),
  approvals: () => ask<{ approvals: Grant[] }>("GET", "/api/v1/approvals?state=all"),
  revoke: (id: string, reason: string) => ask("POST", `/api/v1/approvals/${id}/revoke`, { reason }),
  review: (id: string, reason: string) => ask("POST", `/api/v1/approvals/${id}/review`, { reason }),
  suspend: (agent: string, reason: string) => ask("POST", "/api/v1/suspend", { agent, reason }),
  resume: (agent: string, reason: string) => ask("POST", "/api/v1/resume", { agent, reason }),
  sessions: (filter: Record<string, string | undefined>, asker: Asker = "person") =>
    ask<{ sessions: SessionRow[]; is_cut: boolean; warnings?: string[] }>("GET", `/api/v1/sessions${query(filter)}`, undefined, asker),
  replay: (id: string) => ask<{ session: string; events: LogRecord[]; is_cut: boolean }>("GET", `/api/v1/sessions/${id}`),
  end: (id: string, reason: string) => ask("POST", `/api/v1/sessions/${id}/end`, { reason }),
  search: (filter: Record<string, string | undefined>) => ask<{ matches: Match[]; is_cut: boolean; warnings?: string[] }>("GET", `/api/v1/search${query(filter)}`),
  policy: () => ask<Policy>("GET", "/api/v1/policy"),
  explain: (question: { agent: string; target: string; sql: string; database?: string }) => ask<Explanation>("POST", "/api/v1/explain", question),
  status: (asker: Asker = "person") => ask<Status>("GET", "/api/v1/status", undefined, asker),
};
