import { type AnchorHTMLAttributes, type ReactNode, useEffect, useRef, useState } from "react";

import { type Asked, type Queue, go } from "./hooks";

// A link within the application.
export function Link({ to, ...rest }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>): ReactNode {
  return (
    <a
      href={to}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
      }}
      {...rest}
    />
  );
}

const stateWords: Record<string, string> = {
  waiting: "waiting",
  approved: "approved",
  used: "approved, and ran",
  denied: "denied",
  expired: "expired",
  cancelled: "taken back",
  revoked: "revoked",
};

export function State({ of }: { of: string }): ReactNode {
  return <span className={`chip is-${of}`}>{stateWords[of] ?? of}</span>;
}

export function Verdict({ of }: { of: string }): ReactNode {
  return <span className={`chip is-${of}`}>{of}</span>;
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export function Time({ at, short = false }: { at: string | undefined; short?: boolean }): ReactNode {
  if (!at) return null;
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const isToday = date.toDateString() === new Date().toDateString();
  return (
    <time dateTime={at} title={at}>
      {short && isToday ? clock.format(date) : day.format(date)}
    </time>
  );
}

export function Problem({ error, again }: { error: Error; again?: () => void }): ReactNode {
  return (
    <div className="problem" role="alert">
      <p>{error.message}</p>
      {again && (
        <button type="button" className="quiet" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Lost({ queue }: { queue: Queue }): ReactNode {
  if (queue.connection !== "lost") return null;
  return (
    <p className="banner" role="status">
      The connection is lost; what you see may be out of date. Trying again…
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }): ReactNode {
  return (
    <div className="empty">
      <svg viewBox="0 0 64 64" aria-hidden="true">
        <circle cx="32" cy="32" r="27" />
        <path d="M22 33l7 7 14-16" />
      </svg>
      <h2>{title}</h2>
      {children && <p>{children}</p>}
    </div>
  );
}

// What was asked for, or why it is not there yet.
export function Shown<T>({ of, children }: { of: Asked<T>; children: (value: T) => ReactNode }): ReactNode {
  if (of.value !== undefined)
    return (
      <>
        {of.error && <Problem error={of.error} again={of.again} />}
        {children(of.value)}
      </>
    );
  if (of.error) return <Problem error={of.error} again={of.again} />;
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">Loading</span>
    </div>
  );
}

export function Page({ title, aside, children, name }: { title: ReactNode; aside?: ReactNode; children: ReactNode; name: string }): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${name} · assent`;
    heading.current?.focus({ preventScroll: true }); // a screen reader says where we are
  }, [name]);
  return (
    <main id="content">
      <header className="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {aside && <div className="page-aside">{aside}</div>}
      </header>
      {children}
    </main>
  );
}

export function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

// A question before something is done: opened by a key or a button, done by another one.
export function Ask(props: {
  title: string;
  action: string;
  tone: "good" | "bad";
  label: string;
  note: ReactNode;
  isBusy: boolean;
  error: Error | undefined;
  children?: ReactNode;
  onDo: (reason: string) => void;
  onClose: () => void;
}): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const reason = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    reason.current?.focus();
  }, []);
  const act = () => !props.isBusy && props.onDo(reason.current?.value.trim() ?? "");
  return (
    <dialog ref={dialog} className="ask" aria-labelledby="ask-title" onClose={props.onClose} onClick={(event) => event.target === dialog.current && dialog.current.close()}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          act();
        }}
      >
        <h2 id="ask-title">{props.title}</h2>
        <div className="ask-note">{props.note}</div>
        <label htmlFor="ask-reason">{props.label}</label>
        <textarea
          id="ask-reason"
          ref={reason}
          rows={3}
          maxLength={4000}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              act();
            }
          }}
        />
        {props.children}
        {props.error && <Problem error={props.error} />}
        <div className="ask-buttons">
          <button type="button" className="quiet" onClick={() => dialog.current?.close()}>
            Back
          </button>
          <button type="submit" className={props.tone} disabled={props.isBusy}>
            {props.action}
            <kbd>Ctrl ⏎</kbd>
          </button>
        </div>
      </form>
    </dialog>
  );
}

// A button of which the answer to its question does something, which may fail.
export function AskButton(props: {
  label: string;
  tone?: "bad" | "quiet";
  title: string;
  action: string;
  reason: string;
  note: ReactNode;
  onDo: (reason: string) => Promise<unknown>;
}): ReactNode {
  const [asks, setAsks] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const act = async (reason: string) => {
    setBusy(true);
    setError(undefined);
    try {
      await props.onDo(reason);
      setAsks(false);
    } catch (problem) {
      setError(problem as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" className={props.tone ?? "bad"} onClick={() => setAsks(true)}>
        {props.label}…
      </button>
      {asks && (
        <Ask
          title={props.title}
          action={props.action}
          tone={props.tone === "quiet" ? "good" : "bad"}
          label={props.reason}
          note={props.note}
          isBusy={isBusy}
          error={error}
          onDo={(reason) => void act(reason)}
          onClose={() => {
            setAsks(false);
            setError(undefined);
          }}
        />
      )}
    </>
  );
}
