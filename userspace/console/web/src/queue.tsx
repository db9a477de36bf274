import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";

import { Alarms } from "./alarms";
import { type Grant, type Hold, type Me, api } from "./api";
import { type Queue, endsAt, go, useAsked, useKeys, useNow } from "./hooks";
import { AskButton, Empty, Link, Lost, Page, Shown, State, Time, duration } from "./parts";
import { Sql, Stranger } from "./text";

// Holds that ask the same of the same people: the daemon's word for it, or agent, target, rules and the text without constants.
function shapeOf(hold: Hold): string {
  if (hold.shape) return [hold.agent, hold.target, hold.shape].join("\n");
  const text = hold.text.replace(/'(?:[^']|'')*'/g, "?").replace(/\b\d+\b/g, "?");
  return [hold.agent, hold.target, hold.rules.join(), text].join("\n");
}

function groupsOf(holds: Hold[]): Hold[][] {
  const groups = new Map<string, Hold[]>();
  for (const hold of holds) {
    const group = groups.get(shapeOf(hold));
    if (group) group.push(hold);
    else groups.set(shapeOf(hold), [hold]);
  }
  return [...groups.values()];
}

function Left({ hold, now }: { hold: Hold; now: number }): ReactNode {
  const left = Math.max(0, (endsAt(hold) - now) / 1000);
  const all = Math.max(1, hold.age_s + hold.left_s);
  const part = Math.min(1, left / all);
  return (
    <span className={`left ${left < 60 ? "is-short" : ""}`}>
      <svg viewBox="0 0 36 36" aria-hidden="true">
        <circle className="left-all" cx="18" cy="18" r="15" pathLength="100" />
        <circle className="left-part" cx="18" cy="18" r="15" pathLength="100" strokeDasharray={`${part * 100} 100`} />
      </svg>
      <span>
        <b>{duration(left)}</b>
        <small>left</small>
      </span>
    </span>
  );
}

function Row({ hold, alike, now, isFirst }: { hold: Hold; alike: number; now: number; isFirst: boolean }): ReactNode {
  return (
    <Link to={`/holds/${hold.id}`} className="hold-row" data-hold={hold.id} aria-current={isFirst || undefined}>
      <Left hold={hold} now={now} />
      <span className="hold-body">
        <span className="hold-who">
          <b>
            <Stranger text={hold.agent} />
          </b>
          <span aria-hidden="true">→</span>
          <span className="visually-hidden">to</span>
          <Stranger text={hold.target || "an unlisted target"} />
          {!hold.is_agent_connected && <span className="chip is-quiet">will ask again</span>}
          {hold.agent_suspended && <span className="chip is-denied">suspended</span>}
          {hold.may && !hold.may.approve && <span className="chip is-quiet">{hold.may.deny ? "approved by you, or not your turn" : "for others"}</span>}
          {alike > 1 && <span className="chip is-quiet">{alike} alike</span>}
        </span>
        <code className="hold-text">
          <Sql text={hold.text} />
        </code>
        <span className="hold-why">{hold.rules.join(", ")}</span>
      </span>
      <span className="hold-id">{hold.id}</span>
    </Link>
  );
}

function Past(): ReactNode {
  const past = useAsked("past", () => api.holds("all"));
  return (
    <Shown of={past}>
      {(answer) => {
        const holds = answer.holds.filter((hold) => hold.state !== "waiting");
        if (holds.length === 0) return <Empty title="Nothing was answered yet" />;
        return (
          <ul className="past">
            {holds.map((hold) => (
              <li key={hold.id}>
                <Link to={`/holds/${hold.id}`} className="past-row">
                  <State of={hold.state} />
                  <code className="hold-text">
                    <Sql text={hold.text} />
                  </code>
                  <span className="past-who">
                    <Stranger text={hold.agent} />
                    {hold.decided_by && (
                      <>
                        {" · "}
                        <Stranger text={hold.decided_by} />
                      </>
                    )}
                  </span>
                  <Time at={hold.decided ?? hold.opened} short />
                </Link>
              </li>
            ))}
          </ul>
        );
      }}
    </Shown>
  );
}

function Grants({ grants, again, me }: { grants: Grant[]; again: () => void; me: Me }): ReactNode {
  if (grants.length === 0) return <Empty title="No approval is wider than one command" />;
  return (
    <ul className="rows">
      {grants.map((grant) => (
        <li key={grant.id} className="row is-plain">
          <span className="row-main">
            <code className="hold-text">
              <Sql text={grant.text} />
            </code>
            <small>
              <Stranger text={grant.agent} /> at <Stranger text={grant.target} />, by <Stranger text={grant.given_by} />
              {grant.reason && (
                <>
                  : “<Stranger text={grant.reason} />”
                </>
              )}
              {grant.review && (
                <>
                  {" · reviewed by "}
                  <Stranger text={grant.review.by} />: “<Stranger text={grant.review.text} />”
                </>
              )}
            </small>
          </span>
          <span className="counts">
            <span className={`chip ${grant.state === "in force" ? "is-hold" : "is-quiet"}`}>{grant.kind === "glass" ? `glass broken, ${grant.state}` : grant.state}</span>
            used {grant.times ? `${grant.used} of ${grant.times}` : grant.used === 1 ? "once" : `${grant.used} times`}
          </span>
          <span className="row-end">
            {grant.state === "in force" && me.may.decide ? (
              <AskButton
                label="Revoke"
                title={`Revoke ${grant.id}?`}
                action="Revoke it"
                reason="Reason, for the record"
                note={<p>Nothing more runs under it, and the sessions that run under it now are ended.</p>}
                onDo={(reason) => api.revoke(grant.id, reason).then(again)}
              />
            ) : (
              <Time at={grant.until} short />
            )}
            {grant.state === "in force" && <small>{duration(grant.left_s)} left</small>}
          </span>
        </li>
      ))}
    </ul>
  );
}

export function QueuePage({ queue, me }: { queue: Queue; me: Me }): ReactNode {
  const now = useNow();
  const [shows, setShows] = useState<"waiting" | "past" | "wider">("waiting");
  const grants = useAsked("approvals", () => (me.may.view ? api.approvals() : Promise.resolve(undefined)));
  const groups = useMemo(() => groupsOf(queue.holds), [queue.holds]);
  const list = useRef<HTMLDivElement>(null);
  const move = (by: number) => {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>(".hold-row") ?? [])];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
  };
  useKeys({ j: () => move(1), k: () => move(-1) });
  useEffect(() => {
    if (new URLSearchParams(location.search).get("sign-in")) go("/", "replace");
  }, []);
  const count = queue.holds.length;
  return (
    <Page
      name={count ? `(${count}) Queue` : "Queue"}
      title={shows === "waiting" ? (count === 1 ? "One command waits" : count ? `${count.toLocaleString()} commands wait` : "Queue") : shows === "past" ? "Answered" : "Wider approvals"}
      aside={
        <div className="switch" role="group" aria-label="Which holds">
          <button type="button" aria-pressed={shows === "waiting"} onClick={() => setShows("waiting")}>
            Waiting
          </button>
          <button type="button" aria-pressed={shows === "past"} onClick={() => setShows("past")}>
            Answered
          </button>
          {grants.value && (
            <button type="button" aria-pressed={shows === "wider"} onClick={() => setShows("wider")}>
              Wider
            </button>
          )}
        </div>
      }
    >
      {me.may.view && <Alarms me={me} queue={queue} />}
      <Lost queue={queue} />
      {shows === "past" ? (
        <Past />
      ) : shows === "wider" ? (
        <Shown of={grants}>{(answer) => answer && <Grants grants={answer.approvals} again={grants.again} me={me} />}</Shown>
      ) : !queue.isListed ? (
        <div className="loading" role="status">
          <span className="visually-hidden">Loading</span>
        </div>
      ) : count === 0 ? (
        <Empty title="Nothing waits for you">
          New holds appear here by themselves. Keep this page open, or follow a link from a notice.
          {!me.may.view && ` You see the holds whose approvals name you: ${[me.name, ...me.groups].join(", ")}.`}
        </Empty>
      ) : (
        <div ref={list} className="holds" aria-live="polite" aria-relevant="additions">
          {groups.map((group) => (
            <Group key={shapeOf(group[0] as Hold)} holds={group} now={now} />
          ))}
        </div>
      )}
      {shows === "waiting" && count > 0 && (
        <p className="keys is-keyboard">
          <kbd>j</kbd> <kbd>k</kbd> move, <kbd>⏎</kbd> opens
        </p>
      )}
    </Page>
  );
}

function Group({ holds, now }: { holds: Hold[]; now: number }): ReactNode {
  const [isOpen, setOpen] = useState(false);
  const [first, ...rest] = holds as [Hold, ...Hold[]];
  return (
    <section className="group">
      <Row hold={first} alike={holds.length} now={now} isFirst={false} />
      {rest.length > 0 && (
        <button type="button" className="more" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Show one" : rest.length === 1 ? "Show the other one" : `Show the other ${rest.length}`}
        </button>
      )}
      {isOpen && rest.map((hold) => <Row key={hold.id} hold={hold} alike={1} now={now} isFirst={false} />)}
    </section>
  );
}
