import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { type Approval, type Hold, type Me, type Stage, api } from "./api";
import { type Queue, endsAt, go, received, useAsked, useKeys, useNow } from "./hooks";
import { Ask, Fact, Link, Page, Shown, State, Time, duration } from "./parts";
import { Sql, Stranger } from "./text";

// The whole command; tells when its end has been seen, which is when it may be approved.
function Command({ text, parameters, onSeen }: { text: string; parameters: string[]; onSeen: () => void }): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const [isSeen, setSeen] = useState(false);
  const look = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const isAtEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 2;
    const isWide = element.scrollWidth > element.clientWidth + 1; // lines are broken, so this is never so
    if (isAtEnd && !isWide) {
      setSeen(true);
      onSeen();
    }
  }, [onSeen]);
  useLayoutEffect(look, [look, text]);
  useEffect(() => {
    window.addEventListener("resize", look);
    return () => window.removeEventListener("resize", look);
  }, [look]);
  const lines = text.split("\n").length;
  return (
    <div className="command">
      <div className="command-box" ref={box} onScroll={look} tabIndex={0} role="region" aria-label="The whole command" data-seen={isSeen}>
        <pre>
          <code>
            <Sql text={text} />
          </code>
        </pre>
        {parameters.length > 0 && (
          <ol className="parameters" aria-label="Values">
            {parameters.map((value, index) => (
              <li key={index}>
                <span className="sql-number">${index + 1}</span>
                <code>
                  <Stranger text={value} />
                </code>
              </li>
            ))}
          </ol>
        )}
      </div>
      <p className="command-foot">
        {text.length.toLocaleString()} characters, {lines} {lines === 1 ? "line" : "lines"}
        {!isSeen && <strong> — there is more: scroll to its end to answer</strong>}
      </p>
    </div>
  );
}

const people = (users: string[], groups: string[]) => [...users, ...groups.map((group) => `group ${group}`)].join(", ");

function StageRow({ name, stage, number, of }: { name: string; stage: Stage; number: number; of: number }): ReactNode {
  return (
    <li className={stage.state === "given" ? "is-given" : stage.state === "later" ? "is-later" : ""}>
      <b>
        {name}
        {of > 1 && ` · stage ${number} of ${of}`}
        {stage.quorum > 1 && ` · ${stage.quorum} people`}
        {stage.is_escalated && " · escalated"}
      </b>
      <span>
        {stage.given_by.length > 0 && (
          <>
            <Stranger text={stage.given_by.join(", ")} /> approved
            {stage.missing > 0 && `; ${stage.missing} more of `}
          </>
        )}
        {stage.missing > 0 && people(stage.users, stage.groups)}
        {stage.escalates && stage.state === "waits" && (
          <>
            {" · others are asked "}
            <Time at={stage.escalates} short />
          </>
        )}
      </span>
    </li>
  );
}

function Approvals({ hold }: { hold: Hold }): ReactNode {
  return (
    <ol className="stages">
      {(hold.approvals ?? []).map((approval: Approval) =>
        approval.stages ? (
          approval.stages.map((stage, index) => (
            <StageRow key={`${approval.name} ${index}`} name={approval.name} stage={stage} number={index + 1} of={approval.stages?.length ?? 1} />
          ))
        ) : (
          <li key={approval.name} className={approval.is_given ? "is-given" : ""}>
            <b>{approval.name}</b>
            <span>{approval.is_given ? "given" : people(approval.users, approval.groups)}</span>
          </li>
        ),
      )}
      {(hold.acts ?? []).map((act, index) => (
        <li key={`act-${index}`} className={act.approves ? "is-given" : "is-refused"}>
          <b>
            <Stranger text={act.person} /> {act.approves ? "approved" : "denied"} {act.approval}
          </b>
          <span>
            <Time at={act.time} short />
            {act.is_runner && " · started the agent"}
            {act.reason && (
              <>
                {" · “"}
                <Stranger text={act.reason} />”
              </>
            )}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Before({ hold }: { hold: Hold }): ReactNode {
  const before = hold.before ?? [];
  if (before.length === 0) return <p className="none">Nothing: this is the first command of its session.</p>;
  return (
    <ol className="before" aria-label="What the session did before">
      {before.map((text, index) => (
        <li key={index}>
          <code>
            <Sql text={text} />
          </code>
        </li>
      ))}
    </ol>
  );
}

function Facts({ hold }: { hold: Hold }): ReactNode {
  return (
    <dl className="facts">
      {hold.purpose && (
        <Fact name="Says it is for">
          <Stranger text={hold.purpose} />
        </Fact>
      )}
      <Fact name="Agent">
        <Stranger text={hold.agent} />
        {hold.agent_sets && hold.agent_sets.length > 0 && <small> known as {hold.agent_sets.join(", ")}</small>}
      </Fact>
      <Fact name="Program">
        <code>
          <Stranger text={hold.exe ?? ""} />
        </code>
        <small> uid {hold.agent_uid}</small>
      </Fact>
      <Fact name="Target">
        <Stranger text={hold.target} />
        <small>
          {" "}
          database <Stranger text={hold.database ?? ""} />, as <Stranger text={hold.database_user ?? ""} />
        </small>
      </Fact>
      <Fact name="Held by">
        {hold.rules.join(", ")}
        <small> policy revision {hold.policy_revision}</small>
      </Fact>
      {hold.message && (
        <Fact name="The rule says">
          <Stranger text={hold.message} />
        </Fact>
      )}
      <Fact name="Transaction">{hold.is_in_transaction ? "open, and keeps its locks" : "none is open"}</Fact>
      <Fact name="Session">{hold.session && <Link to={`/sessions/${hold.session}`}>{hold.session}</Link>}</Fact>
      <Fact name="Opened">
        <Time at={hold.opened} short />
      </Fact>
      <Fact name="Digest">
        <code className="digest" title={hold.digest}>
          {hold.digest?.slice(0, 16)}
        </code>
      </Fact>
    </dl>
  );
}

function Effects({ effects }: { effects: string[] }): ReactNode {
  return (
    <ul className="effects">
      {effects.map((effect, index) => {
        const [operation, ...objects] = effect.split(" ");
        return (
          <li key={index}>
            <span className={`operation is-${operation}`}>{operation}</span>
            <code>
              <Stranger text={objects.join(" ")} />
            </code>
          </li>
        );
      })}
    </ul>
  );
}

function Outcome({ hold }: { hold: Hold }): ReactNode {
  return (
    <div className={`outcome is-${hold.state}`} role="status">
      <State of={hold.state} />
      <p>
        {hold.decided_by && (
          <>
            by <Stranger text={hold.decided_by} />{" "}
          </>
        )}
        <Time at={hold.decided} short />
        {hold.reason && (
          <>
            : “<Stranger text={hold.reason} />”
          </>
        )}
      </p>
      <Link to="/" className="button quiet">
        Back to the queue
      </Link>
    </div>
  );
}

function Decision({ hold, me, isSeen, onDone }: { hold: Hold; me: Me; isSeen: boolean; onDone: (hold: Hold) => void }): ReactNode {
  const now = useNow();
  const [asks, setAsks] = useState<"approve" | "deny">();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const [minutes, setMinutes] = useState(0);
  const left = (endsAt(hold) - now) / 1000;
  const may = me.may.decide && left > 0;
  const open = (what: "approve" | "deny") => {
    if (!may || (what === "approve" && !isSeen)) return;
    setError(undefined);
    setMinutes(0);
    setAsks(what);
  };
  useKeys({ a: () => open("approve"), d: () => open("deny") });
  // What a wider answer would let through besides this one.
  const wouldRelease = useAsked(`${asks} ${minutes > 0}`, () =>
    asks === "approve" && minutes > 0 ? api.wouldRelease(hold.id) : Promise.resolve({ would_release: [] }),
  );
  const decide = async (reason: string) => {
    setBusy(true);
    setError(undefined);
    try {
      if (asks === "deny") onDone(await api.deny(hold.id, reason));
      else onDone(await api.approve(hold.id, reason, minutes ? { shape: { for_s: minutes * 60 }, most_released: wouldRelease.value?.would_release.length ?? 0 } : undefined));
      setAsks(undefined);
    } catch (problem) {
      setError(problem as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="decision">
      <p className={`decision-left ${left < 60 ? "is-short" : ""}`}>
        {left > 0 ? (
          <>
            <b>{duration(left)}</b> left{hold.is_agent_connected ? ", and the agent waits" : "; the agent will ask again"}
          </>
        ) : (
          "It is past its deadline"
        )}
      </p>
      {me.may.decide ? (
        <div className="decision-buttons">
          <button type="button" className="bad" disabled={!may} onClick={() => open("deny")} aria-keyshortcuts="d">
            Deny… <kbd>d</kbd>
          </button>
          <button
            type="button"
            className="good"
            disabled={!may || !isSeen}
            onClick={() => open("approve")}
            aria-keyshortcuts="a"
            aria-describedby={isSeen ? undefined : "see-it-whole"}
          >
            Approve… <kbd>a</kbd>
          </button>
        </div>
      ) : (
        <p className="none">You may look at this, and not answer it.</p>
      )}
      {!isSeen && me.may.decide && (
        <p id="see-it-whole" className="none">
          Scroll the command to its end first.
        </p>
      )}
      {asks && (
        <Ask
          title={asks === "approve" ? `Approve ${hold.id}?` : `Deny ${hold.id}?`}
          action={asks === "approve" ? "Approve it" : "Deny it"}
          tone={asks === "approve" ? "good" : "bad"}
          label={asks === "approve" ? "Reason, for the record" : "Reason, told to the agent"}
          isBusy={isBusy}
          error={error}
          onDo={(reason) => void decide(reason)}
          onClose={() => setAsks(undefined)}
          note={
            asks === "approve" ? (
              <p>
                {minutes
                  ? "This statement, with whatever constants, may run again and again "
                  : "This very command, with these values, may run once "}
                for <Stranger text={hold.agent} /> at <Stranger text={hold.target} />.
              </p>
            ) : (
              <p>
                <Stranger text={hold.agent} /> gets an error that names you and your reason.
              </p>
            )
          }
        >
          {asks === "approve" && hold.shape && (
            <label className="wider">
              How far it goes
              <select value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>
                <option value={0}>this command, once</option>
                <option value={10}>the same statement, for 10 minutes</option>
                <option value={30}>the same statement, for 30 minutes</option>
                <option value={60}>the same statement, for an hour</option>
              </select>
              {minutes > 0 && (
                <small role="status">
                  {wouldRelease.error
                    ? wouldRelease.error.message
                    : wouldRelease.value?.would_release.length
                      ? `It also lets through what waits already: ${wouldRelease.value.would_release.join(", ")}.`
                      : "No other hold that waits is of this statement."}
                </small>
              )}
            </label>
          )}
        </Ask>
      )}
    </div>
  );
}

export function HoldPage({ id, me, queue }: { id: string; me: Me; queue: Queue }): ReactNode {
  const asked = useAsked(id, async () => received(await api.hold(id)));
  const [decided, setDecided] = useState<Hold>();
  const [isSeen, setSeen] = useState(false);
  const seen = useCallback(() => setSeen(true), []);
  // What others answered, or what ended by itself.
  const isQueued = queue.holds.some((hold) => hold.id === id);
  const wasQueued = useRef(false);
  const { again } = asked;
  useEffect(() => {
    if (wasQueued.current && !isQueued) again();
    wasQueued.current = isQueued;
  }, [isQueued, again]);
  useKeys({ u: () => go("/") });
  return (
    <Page
      name={id}
      title={
        <>
          <Link to="/" className="back" aria-label="Back to the queue">
            ←
          </Link>
          {id}
        </>
      }
      aside={asked.value && <State of={(decided ?? asked.value).state} />}
    >
      <Shown of={asked}>
        {(first) => {
          const hold = decided ?? first;
          return (
            <div className="hold-page">
              <div className="hold-main">
                {hold.has_escapes && (
                  <p className="banner">This command has characters that do not show. They are written out and marked.</p>
                )}
                <Command text={hold.text} parameters={hold.parameters ?? []} onSeen={seen} />
                <section aria-labelledby="effects-title">
                  <h2 id="effects-title">What it would do</h2>
                  <Effects effects={hold.effects ?? []} />
                </section>
                <section aria-labelledby="before-title">
                  <h2 id="before-title">What the session did before</h2>
                  <Before hold={hold} />
                </section>
              </div>
              <aside className="hold-side">
                {hold.state === "waiting" ? <Decision hold={hold} me={me} isSeen={isSeen} onDone={setDecided} /> : <Outcome hold={hold} />}
                <section aria-labelledby="approvals-title">
                  <h2 id="approvals-title">Who answers</h2>
                  <Approvals hold={hold} />
                </section>
                <section aria-labelledby="facts-title">
                  <h2 id="facts-title">Who asks, and where</h2>
                  <Facts hold={hold} />
                </section>
              </aside>
            </div>
          );
        }}
      </Shown>
    </Page>
  );
}
