import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { type Approval, type Estimate, type Hold, type Me, type Stage, type Widening, api } from "./api";
import { type Queue, endsAt, go, received, useAsked, useKeys, useNow } from "./hooks";
import { Ask, AskButton, Fact, Link, Lost, Page, Shown, State, Time, duration } from "./parts";
import { Sql, Stranger } from "./text";

// The whole command; tells when its end has been seen, which is when it may be approved.
function Command({ text, executes, parameters, onSeen }: { text: string; executes: string[]; parameters: string[]; onSeen: () => void }): ReactNode {
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
        {executes.map((each, index) => (
          <div key={index} className="executes">
            <p>Its name stands for</p>
            <pre>
              <code>
                <Sql text={each} />
              </code>
            </pre>
          </div>
        ))}
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

function StageRow({ name, stage, number, of, breaksGlass }: { name: string; stage: Stage; number: number; of: number; breaksGlass: boolean }): ReactNode {
  return (
    <li className={stage.state === "given" ? "is-given" : stage.state === "later" ? "is-later" : ""}>
      <b>
        {name}
        {of > 1 && ` · stage ${number} of ${of}`}
        {stage.quorum > 1 && ` · ${stage.quorum} people`}
        {stage.is_escalated && " · escalated"}
        {breaksGlass && " · breaks the glass"}
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
            <StageRow
              key={`${approval.name} ${index}`}
              name={approval.name}
              stage={stage}
              number={index + 1}
              of={approval.stages?.length ?? 1}
              breaksGlass={Boolean(approval.break_glass_s)}
            />
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
            {act.widened_s !== undefined && ` for ${duration(act.widened_s)}`}
            {act.widened_times !== undefined && `, ${act.widened_times} times at most`}
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
        {hold.agent_sets && hold.agent_sets.some((set) => set !== hold.agent) && <small> known as {hold.agent_sets.join(", ")}</small>}
        {hold.agent_suspended && (
          <small className="bad">
            {" "}
            suspended: <Stranger text={hold.agent_suspended} />
          </small>
        )}
      </Fact>
      {(hold.acts_for ?? []).length > 0 && (
        <Fact name="Acts for">
          {hold.acts_for?.map((one) => (
            <span key={`${one.issuer} ${one.subject}`} title={one.issuer}>
              <Stranger text={one.subject} />{" "}
            </span>
          ))}
        </Fact>
      )}
      {hold.runner_uid !== undefined && hold.runner_uid !== null && <Fact name="Started by">uid {hold.runner_uid}</Fact>}
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
      <Fact name="Transaction">
        {hold.is_in_transaction ? "open, and keeps its locks" : "none is open"}
        {hold.in_transaction_since && (
          <>
            {" since "}
            <Time at={hold.in_transaction_since} short />
          </>
        )}
      </Fact>
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

function Rows({ estimate }: { estimate?: Estimate }): ReactNode {
  if (!estimate) return null;
  if (estimate.rows.length === 0)
    return (
      estimate.why_not && (
        <p className="estimate">
          The rows were not estimated: <Stranger text={estimate.why_not} />.
        </p>
      )
    );
  return (
    <ul className="estimate" aria-label="Rows, as the planner expects">
      {estimate.rows.map((one, index) => (
        <li key={index}>
          {one.operation} {one.relation && <Stranger text={one.relation} />}: <strong>about {one.rows.toLocaleString()}</strong> {one.rows === 1 ? "row" : "rows"}
          <small> as the planner expects</small>
        </li>
      ))}
    </ul>
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

// How far an approval goes: this command once, or its statement for a while.
function Wider({
  minutes,
  times,
  onMinutes,
  onTimes,
  releases,
  error,
}: {
  minutes: number;
  times: number;
  onMinutes: (minutes: number) => void;
  onTimes: (times: number) => void;
  releases: string[] | undefined;
  error: Error | undefined;
}): ReactNode {
  return (
    <>
      <label className="wider">
        How far it goes
        <select value={minutes} onChange={(event) => onMinutes(Number(event.target.value))}>
          <option value={0}>this command, once</option>
          <option value={10}>the same statement, for 10 minutes</option>
          <option value={30}>the same statement, for 30 minutes</option>
          <option value={60}>the same statement, for an hour</option>
        </select>
      </label>
      {minutes > 0 && (
        <>
          <label className="wider">
            How often at most; 0 is as often as it likes
            <input type="number" min={0} max={100000} step={1} value={times} onChange={(event) => onTimes(Math.max(0, Math.floor(Number(event.target.value) || 0)))} />
          </label>
          <p className="wider" role="status">
            {error
              ? error.message
              : !releases
                ? "Asking what else it lets through…"
                : releases.length
                  ? `It also lets through what waits already: ${releases.join(", ")}.`
                  : "No other hold that waits is of this statement."}
          </p>
        </>
      )}
    </>
  );
}

// "5 minutes"; shorter times are not what people are asked about.
function words(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60));
  const hours = Math.round(minutes / 60);
  return minutes < 90 ? `${minutes} ${minutes === 1 ? "minute" : "minutes"}` : `${hours} hours`;
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

// Some approval of it breaks the glass, so no answer to it can be wider.
const isGlass = (hold: Hold) => (hold.approvals ?? []).some((approval) => approval.break_glass_s !== undefined);

function AskApproval({ hold, onDone, onClose }: { hold: Hold; onDone: () => void; onClose: () => void }): ReactNode {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const [minutes, setMinutes] = useState(0);
  const [times, setTimes] = useState(0);
  const glass = hold.may?.break_glass_s;
  const breaksGlass = glass !== undefined;
  const isWider = minutes > 0;
  const trial = useAsked(String(isWider), () => (isWider ? api.wouldRelease(hold.id) : Promise.resolve(undefined)));
  const releases = trial.isAsking ? undefined : trial.value?.would_release;
  const approve = async (reason: string) => {
    if (breaksGlass && !reason) return setError(new Error("Say why: broken glass needs a reason."));
    if (isWider && !releases) return setError(new Error("What else it would let through is not known yet."));
    setBusy(true);
    setError(undefined);
    const shape: Widening = times ? { for_s: minutes * 60, times } : { for_s: minutes * 60 };
    try {
      await api.approve(hold.id, reason, isWider ? { shape, most_released: releases?.length ?? 0 } : undefined);
      onDone();
    } catch (problem) {
      setError(problem as Error);
      if (isWider) trial.again(); // perhaps more waits by now
    } finally {
      setBusy(false);
    }
  };
  return (
    <Ask
      title={breaksGlass ? `Break the glass for ${hold.agent}?` : `Approve ${hold.id}?`}
      action={breaksGlass ? "Break the glass" : "Approve it"}
      tone={breaksGlass ? "bad" : "good"}
      label={breaksGlass ? "Reason, which everybody is told" : "Reason, for the record"}
      isBusy={isBusy}
      error={error}
      onDo={(reason) => void approve(reason)}
      onClose={onClose}
      note={
        breaksGlass ? (
          <p className="glass-note">
            For {words(glass)} <Stranger text={hold.agent} /> is let through at <Stranger text={hold.target} /> with whatever needs this approval, and not only with this command.
            It is told loudly, recorded, and somebody else has to write a review afterwards.
          </p>
        ) : (
          <p>
            {isWider ? "This statement, with whatever constants, may run again and again " : "This very command, with these values, may run once "}
            for <Stranger text={hold.agent} /> at <Stranger text={hold.target} />.
          </p>
        )
      }
    >
      {hold.shape && !isGlass(hold) && <Wider minutes={minutes} times={times} onMinutes={setMinutes} onTimes={setTimes} releases={releases} error={trial.error} />}
    </Ask>
  );
}

function AskDenial({ hold, onDone, onClose }: { hold: Hold; onDone: () => void; onClose: () => void }): ReactNode {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const deny = async (reason: string) => {
    setBusy(true);
    setError(undefined);
    try {
      await api.deny(hold.id, reason);
      onDone();
    } catch (problem) {
      setError(problem as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Ask
      title={`Deny ${hold.id}?`}
      action="Deny it"
      tone="bad"
      label="Reason, told to the agent"
      isBusy={isBusy}
      error={error}
      onDo={(reason) => void deny(reason)}
      onClose={onClose}
      note={
        <p>
          <Stranger text={hold.agent} /> gets an error that names you and your reason.
        </p>
      }
    />
  );
}

function Decision({ hold, isSeen, onDone }: { hold: Hold; isSeen: boolean; onDone: () => void }): ReactNode {
  const now = useNow();
  const [asks, setAsks] = useState<"approve" | "deny">();
  const left = (endsAt(hold) - now) / 1000;
  const mayDeny = Boolean(hold.may?.deny) && left > 0;
  const mayApprove = Boolean(hold.may?.approve) && left > 0 && isSeen;
  const breaksGlass = hold.may?.break_glass_s !== undefined;
  const approve = () => mayApprove && setAsks("approve");
  const deny = () => mayDeny && setAsks("deny");
  const done = () => {
    setAsks(undefined);
    onDone();
  };
  useKeys({ a: approve, d: deny });
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
      {hold.may?.deny && (
        <div className="decision-buttons">
          <button type="button" className="bad" disabled={!mayDeny} onClick={deny} aria-keyshortcuts="d">
            Deny… <kbd>d</kbd>
          </button>
          {hold.may.approve && (
            <button
              type="button"
              className={breaksGlass ? "bad" : "good"}
              disabled={!mayApprove}
              onClick={approve}
              aria-keyshortcuts="a"
              aria-describedby={isSeen ? undefined : "see-it-whole"}
            >
              {breaksGlass ? "Break glass…" : "Approve…"} <kbd>a</kbd>
            </button>
          )}
        </div>
      )}
      {!hold.may?.approve && (
        <p className="none" role="status">
          <Stranger text={sentence(hold.may?.why ?? "you may look at this, and not answer it")} />
        </p>
      )}
      {!isSeen && hold.may?.approve && (
        <p id="see-it-whole" className="none">
          Scroll the command to its end first.
        </p>
      )}
      {asks === "approve" && <AskApproval hold={hold} onDone={done} onClose={() => setAsks(undefined)} />}
      {asks === "deny" && <AskDenial hold={hold} onDone={done} onClose={() => setAsks(undefined)} />}
    </div>
  );
}

export function HoldPage({ id, me, queue }: { id: string; me: Me; queue: Queue }): ReactNode {
  const asked = useAsked(id, async (asker) => received(await api.hold(id, asker)));
  const [isSeen, setSeen] = useState(false);
  const seen = useCallback(() => setSeen(true), []);
  // What others answered, who is asked by now, or what ended by itself: the queue is live, and tells that something changed.
  const queued = queue.holds.find((hold) => hold.id === id);
  const before = useRef(queued);
  const { again, refresh } = asked;
  useEffect(() => {
    if (before.current && before.current !== queued) refresh();
    before.current = queued;
  }, [queued, refresh]);
  // It ended before the queue was listed.
  const isMissed = queue.isListed && !queued && asked.value?.state === "waiting";
  useEffect(() => {
    if (isMissed) refresh();
  }, [isMissed, refresh]);
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
      aside={asked.value && <State of={asked.value.state} />}
    >
      <Lost queue={queue} />
      <Shown of={asked}>
        {(hold) => (
          <div className="hold-page">
            <div className="hold-main">
              {hold.has_escapes && <p className="banner">This command has characters that do not show. They are written out and marked.</p>}
              <Command text={hold.text} executes={hold.executes ?? []} parameters={hold.parameters ?? []} onSeen={seen} />
              <section aria-labelledby="effects-title">
                <h2 id="effects-title">What it would do</h2>
                <Effects effects={hold.effects ?? []} />
                <Rows estimate={hold.estimate} />
              </section>
              <section aria-labelledby="before-title">
                <h2 id="before-title">What the session did before</h2>
                <Before hold={hold} />
              </section>
            </div>
            <aside className="hold-side">
              {hold.state === "waiting" ? <Decision hold={hold} isSeen={isSeen} onDone={again} /> : <Outcome hold={hold} />}
              <section aria-labelledby="approvals-title">
                <h2 id="approvals-title">Who answers</h2>
                <Approvals hold={hold} />
              </section>
              <section aria-labelledby="facts-title">
                <h2 id="facts-title">Who asks, and where</h2>
                <Facts hold={hold} />
                {me.may.decide && !hold.agent_suspended && (
                  <AskButton
                    label="Suspend the agent"
                    title={`Suspend ${hold.agent}?`}
                    action="Suspend it"
                    reason="Reason, told to the agent"
                    note={<p>Whatever it asks is denied until somebody resumes it. What waits of it stays in the queue.</p>}
                    onDo={(reason) => api.suspend(hold.agent, reason).then(again)}
                  />
                )}
              </section>
            </aside>
          </div>
        )}
      </Shown>
    </Page>
  );
}
