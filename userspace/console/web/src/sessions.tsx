import { type FormEvent, type ReactNode, useEffect, useState } from "react";

import { type SessionRow, api } from "./api";
import { go, useAsked, useKeys } from "./hooks";
import { Empty, Link, Page, Shown, Time, Verdict } from "./parts";
import { Stranger } from "./text";

const filterOf = (place: string) => Object.fromEntries(new URLSearchParams(place.split("?")[1] ?? ""));

function Counts({ row }: { row: SessionRow }): ReactNode {
  return (
    <span className="counts">
      <span>{row.commands ?? 0} commands</span>
      {!!row.held && <span className="chip is-hold">{row.held} held</span>}
      {!!row.denied && <span className="chip is-deny">{row.denied} denied</span>}
      {!!row.errors && <span className="chip is-quiet">{row.errors} failed</span>}
    </span>
  );
}

function Rows({ rows }: { rows: SessionRow[] }): ReactNode {
  return (
    <ul className="rows">
      {rows.map((row) => (
        <li key={row.session}>
          <Link to={`/sessions/${row.session}`} className="row">
            <span className="row-main">
              <b>
                <Stranger text={row.agent || "unknown agent"} />
              </b>
              <span aria-hidden="true">→</span>
              <Stranger text={row.target || "unlisted"} />
              {row.database && (
                <small>
                  <Stranger text={`${row.database} as ${row.user ?? ""}`} />
                </small>
              )}
              {row.purpose && (
                <small>
                  “<Stranger text={row.purpose} />”
                </small>
              )}
            </span>
            <Counts row={row} />
            <span className="row-end">
              {row.state ? <Verdict of={row.state} /> : <Time at={row.opened} short />}
              <code>{row.session}</code>
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

export function SessionsPage({ place }: { place: string }): ReactNode {
  const filter = filterOf(place);
  const isLive = filter.live === "true";
  const sessions = useAsked(place, (asker) => api.sessions({ limit: "200", ...filter }, asker));
  const { refresh } = sessions;
  useEffect(() => {
    if (!isLive) return undefined;
    const timer = setInterval(refresh, 5000);
    return () => clearInterval(timer);
  }, [isLive, refresh]);
  const change = (member: string, value: string) => {
    const next = new URLSearchParams(Object.entries({ ...filter, [member]: value }).filter(([, given]) => given));
    go(`/sessions${next.size ? `?${next}` : ""}`, "replace");
  };
  return (
    <Page
      name="Sessions"
      title="Sessions"
      aside={
        <div className="switch" role="group" aria-label="Which sessions">
          <button type="button" aria-pressed={!isLive} onClick={() => change("live", "")}>
            Recorded
          </button>
          <button type="button" aria-pressed={isLive} onClick={() => change("live", "true")}>
            Open now
          </button>
        </div>
      }
    >
      <form
        className="filters"
        onSubmit={(event: FormEvent<HTMLFormElement>) => {
          event.preventDefault();
          const given = new FormData(event.currentTarget);
          const next = new URLSearchParams();
          if (isLive) next.set("live", "true");
          for (const [name, value] of given) if (value) next.set(name, String(value));
          go(`/sessions${next.size ? `?${next}` : ""}`, "replace");
        }}
      >
        <label>
          Agent <input name="agent" defaultValue={filter.agent} />
        </label>
        <label>
          Target <input name="target" defaultValue={filter.target} />
        </label>
        {!isLive && (
          <>
            <label>
              With a command that was
              <select name="verdict" defaultValue={filter.verdict ?? ""}>
                <option value="">anything</option>
                <option value="hold">held</option>
                <option value="deny">denied</option>
                <option value="allow">allowed</option>
              </select>
            </label>
            <label>
              Since <input name="since" placeholder="12h, 7d, 2026-11-22" defaultValue={filter.since} />
            </label>
          </>
        )}
        <button type="submit" className="quiet">
          Show
        </button>
      </form>
      <Shown of={sessions}>
        {(answer) => (
          <>
            {(answer.warnings ?? []).map((warning) => (
              <p key={warning} className="banner">
                {warning}
              </p>
            ))}
            {answer.sessions.length === 0 ? (
              <Empty title={isLive ? "No session is open" : "No session fits"} />
            ) : (
              <Rows rows={isLive ? answer.sessions : [...answer.sessions].reverse()} />
            )}
            {answer.is_cut && <p className="keys">There are more; narrow it.</p>}
          </>
        )}
      </Shown>
    </Page>
  );
}

function Excerpt({ text, wanted }: { text: string; wanted: string }): ReactNode {
  const at = text.toLowerCase().indexOf(wanted.toLowerCase());
  if (at < 0) return <Stranger text={text} />;
  return (
    <>
      <Stranger text={text.slice(0, at)} />
      <mark>
        <Stranger text={text.slice(at, at + wanted.length)} />
      </mark>
      <Stranger text={text.slice(at + wanted.length)} />
    </>
  );
}

export function SearchPage({ place }: { place: string }): ReactNode {
  const filter = filterOf(place);
  const [text, setText] = useState(filter.text ?? "");
  const found = useAsked(place, () => (filter.text ? api.search({ limit: "200", ...filter }) : Promise.resolve(undefined)));
  useKeys({ "/": () => document.querySelector<HTMLInputElement>("#search-text")?.focus() });
  return (
    <Page name="Search" title="Search the record">
      <form
        className="search"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          go(text ? `/search?${new URLSearchParams({ text })}` : "/search", "replace");
        }}
      >
        <label htmlFor="search-text" className="visually-hidden">
          Text
        </label>
        <input id="search-text" type="search" value={text} placeholder="A name, a value, an error…" onChange={(event) => setText(event.target.value)} />
        <button type="submit" className="good">
          Search
        </button>
      </form>
      <p className="keys">Every search is recorded, with your name. Values of masked columns are hashes here, and are not found.</p>
      <Shown of={found}>
        {(answer) =>
          !answer ? null : answer.matches.length === 0 ? (
            <Empty title="Nothing was recorded with that" />
          ) : (
            <ul className="rows">
              {answer.matches.map((match) => (
                <li key={match.seq}>
                  <Link to={match.session ? `/sessions/${match.session}` : place} className="row">
                    <span className="row-main">
                      <code className="excerpt">
                        <Excerpt text={match.excerpt} wanted={filter.text ?? ""} />
                      </code>
                    </span>
                    <span className="counts">
                      <span className="chip is-quiet">{match.type}</span>
                      <small>
                        in {match.where}
                        {match.agent && (
                          <>
                            , <Stranger text={match.agent} />
                          </>
                        )}
                      </small>
                    </span>
                    <span className="row-end">
                      <Time at={match.time} short />
                      <code>#{match.seq}</code>
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
    </Page>
  );
}
