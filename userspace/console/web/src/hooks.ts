import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";

import { type Asker, type Failure, type Hold, type LogRecord, api } from "./api";

// ---- places of the application

const listeners = new Set<() => void>();

export function go(place: string, how: "push" | "replace" = "push"): void {
  if (how === "push") history.pushState(null, "", place);
  else history.replaceState(null, "", place);
  window.scrollTo(0, 0);
  listeners.forEach((each) => each());
}

window.addEventListener("popstate", () => listeners.forEach((each) => each()));

function subscribe(callback: () => void): () => void {
  listeners.add(callback);
  return () => listeners.delete(callback);
}

export const usePlace = () => useSyncExternalStore(subscribe, () => location.pathname + location.search);

// ---- asking

export interface Asked<T> {
  value: T | undefined;
  error: Error | undefined;
  isAsking: boolean;
  again: () => void;
  refresh: () => void; // again, by the application itself
}

// Asks when `key` changes; the answer before stays until the new one is there.
export function useAsked<T>(key: string, ask: (asker: Asker) => Promise<T>): Asked<T> {
  const [state, set] = useState<{ value?: T; error?: Error; isAsking: boolean }>({ isAsking: true });
  const [round, setRound] = useState<{ number: number; asker: Asker }>({ number: 0, asker: "person" });
  const latest = useRef(ask);
  latest.current = ask;
  const asked = useRef(round);
  useEffect(() => {
    let isWanted = true;
    // Another key is what the person did, whoever asked last.
    const asker = asked.current === round ? "person" : round.asker;
    asked.current = round;
    set((before) => ({ ...before, isAsking: true }));
    latest
      .current(asker)
      .then((value) => isWanted && set({ value, isAsking: false }))
      .catch((error: Error) => isWanted && set((before) => ({ ...before, error, isAsking: false })));
    return () => {
      isWanted = false;
    };
  }, [key, round]);
  const next = (asker: Asker) => setRound((before) => ({ number: before.number + 1, asker }));
  const again = useCallback(() => next("person"), []);
  const refresh = useCallback(() => next("application"), []);
  return { value: state.value, error: state.error, isAsking: state.isAsking, again, refresh };
}

// ---- time

const clocks = new Set<() => void>();
setInterval(() => clocks.forEach((each) => each()), 1000);

// Draws again every second.
export function useNow(): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const tick = () => set(Date.now());
    clocks.add(tick);
    return () => {
      clocks.delete(tick);
    };
  }, []);
  return now;
}

// ---- what comes by itself

const againAfter = 1_000; // milliseconds, when the sign-in was renewed
const lostAfter = 5_000; // when the browser has given up

// A stream of events for as long as somebody looks, whatever becomes of the connection; gives what ends it.
function stream(place: string, begin: (events: EventSource) => void, onLost: () => void): () => void {
  let events: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isWanted = true;
  const end = () => {
    isWanted = false;
    clearTimeout(timer);
    events.close();
  };
  const open = () => {
    events = new EventSource(place);
    const reopen = (after: number) => {
      events.close();
      clearTimeout(timer);
      if (isWanted) timer = setTimeout(open, after);
    };
    begin(events);
    events.addEventListener("again", () => reopen(againAfter));
    // The application finds out, and asks for a sign-in.
    events.addEventListener("signed-out", () => {
      end();
      void api.me("application").catch(() => undefined);
    });
    events.onerror = () => {
      onLost();
      if (events.readyState !== EventSource.CLOSED) return;
      reopen(lostAfter);
      void api.me("application").catch((problem: Failure) => problem.status === 401 && end());
    };
  };
  open();
  return end;
}

export type Connection = "opening" | "open" | "lost" | "ended";

export interface Queue {
  holds: Hold[];
  isListed: boolean;
  connection: Connection;
}

// A hold as it came, with the moment by this clock at which it ends.
export const endsAt = (hold: Hold) => (hold as Hold & { ends_at?: number }).ends_at ?? Date.now() + hold.left_s * 1000;
export const received = (hold: Hold): Hold => ({ ...hold, ends_at: Date.now() + hold.left_s * 1000 }) as Hold;

export function useQueue(isWanted: boolean, onNew: (hold: Hold) => void): Queue {
  const [queue, set] = useState<Queue>({ holds: [], isListed: false, connection: "opening" });
  const tell = useRef(onNew);
  tell.current = onNew;
  useEffect(() => {
    if (!isWanted) return undefined;
    let holds = new Map<string, Hold>();
    let listing: Map<string, Hold> | null = new Map();
    const show = (connection: Connection) => set({ holds: [...holds.values()].sort((a, b) => a.opened.localeCompare(b.opened)), isListed: listing === null, connection });
    return stream(
      "/api/v1/holds/events",
      (events) => {
        events.onopen = () => {
          listing = new Map();
        };
        events.addEventListener("hold", (event) => {
          const { hold, event: what } = JSON.parse(event.data as string) as { hold: Hold; event?: string };
          const into = listing ?? holds;
          const isNew = what === "opened" || (what === "escalated" && !into.has(hold.id)); // to this person, then
          if (hold.state === "waiting") into.set(hold.id, received(hold));
          else into.delete(hold.id);
          if (isNew && listing === null) tell.current(hold);
          if (listing === null) show("open");
        });
        events.addEventListener("listed", () => {
          holds = listing ?? holds;
          listing = null;
          show("open");
        });
      },
      () => show("lost"),
    );
  }, [isWanted]);
  return queue;
}

export function useFollowed(session: string, isWanted: boolean, onRecord: (record: LogRecord) => void): Connection {
  const [connection, set] = useState<Connection>("opening");
  const tell = useRef(onRecord);
  tell.current = onRecord;
  useEffect(() => {
    if (!isWanted) return undefined;
    const end = stream(
      `/api/v1/sessions/${session}/events`,
      (events) => {
        events.onopen = () => set("open");
        events.addEventListener("record", (event) => tell.current(JSON.parse(event.data as string) as LogRecord));
        const close = (how: Connection) => () => {
          end();
          set(how);
        };
        events.addEventListener("end", close("ended"));
        events.addEventListener("failed", close("lost"));
      },
      () => set("lost"),
    );
    return end;
  }, [session, isWanted]);
  return connection;
}

// ---- keys

// Keys that do something by themselves: never while somebody types, and never one that decides.
export function useKeys(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      const on = event.target as HTMLElement;
      if (on.closest("input, textarea, select, dialog[open]")) return;
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action(event);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
