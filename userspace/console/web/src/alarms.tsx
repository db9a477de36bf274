import { type ReactNode, useEffect, useRef } from "react";

import { type Grant, type Me, type Suspension, api } from "./api";
import { type Queue, useAsked } from "./hooks";
import { AskButton, Link, Problem, Time } from "./parts";
import { Stranger } from "./text";

const askEvery = 120_000; // milliseconds; what changes here changes holds too, nearly always
const askAfter = 1_000; // a change of the queue: several come together

const passed = (count: number) => (count === 0 ? "nothing else has passed" : count === 1 ? "one more command has passed" : `${count} more commands have passed`);

function Glass({ grant, me, again }: { grant: Grant; me: Me; again: () => void }): ReactNode {
  const isOpen = grant.state === "in force";
  return (
    <li>
      <p>
        <b>{isOpen ? "Glass is broken" : "Glass was broken"}</b> for <Stranger text={grant.agent} /> at <Stranger text={grant.target} />
        {isOpen ? " until " : ", "}
        <Time at={grant.until} short />, by <Stranger text={grant.given_by} />: “<Stranger text={grant.reason} />
        ”. <Link to={`/holds/${grant.hold}`}>{grant.hold}</Link> broke it, and {passed(grant.used)} by it since.
        {!isOpen && " Nobody has reviewed what was done."}
      </p>
      {me.may.decide && isOpen && (
        <AskButton
          label="Mend it"
          title="Mend the glass?"
          action="Mend it"
          reason="Reason, for the record"
          note={<p>Nothing more passes by it, and the sessions that run under it now are ended. A review is due all the same.</p>}
          onDo={(reason) => api.revoke(grant.id, reason).then(again)}
        />
      )}
      {me.may.decide && (
        <AskButton
          label="Review"
          tone="quiet"
          title={`Review ${grant.id}`}
          action="Keep the review"
          reason="What was found"
          note={
            <p>
              Look at what was done first, in <Link to={`/sessions?agent=${encodeURIComponent(grant.agent)}`}>the sessions of this agent</Link>. The review goes into the record
              with your name.
            </p>
          }
          onDo={(text) => api.review(grant.id, text).then(again)}
        />
      )}
    </li>
  );
}

function Suspended({ one, me, again }: { one: Suspension; me: Me; again: () => void }): ReactNode {
  return (
    <li>
      <p>
        <b>
          <Stranger text={one.agent} /> is suspended
        </b>{" "}
        since <Time at={one.since} short />, by <Stranger text={one.by} />
        {one.reason && (
          <>
            : “<Stranger text={one.reason} />”
          </>
        )}
      </p>
      {me.may.decide && (
        <AskButton
          label="Resume"
          tone="quiet"
          title={`Let ${one.agent} work again?`}
          action="Resume it"
          reason="Reason, for the record"
          note={<p>What it sends from now on is judged again. What was denied meanwhile stays denied.</p>}
          onDo={(reason) => api.resume(one.agent, reason).then(again)}
        />
      )}
    </li>
  );
}

// What nobody should have to look for: glass that is broken or not reviewed, and agents that may do nothing.
export function Alarms({ me, queue }: { me: Me; queue: Queue }): ReactNode {
  const status = useAsked("alarms", api.status);
  const { again, refresh } = status;
  useEffect(() => {
    const timer = setInterval(refresh, askEvery);
    return () => clearInterval(timer);
  }, [refresh]);
  const before = useRef(queue.holds);
  useEffect(() => {
    if (before.current === queue.holds) return undefined;
    before.current = queue.holds;
    const timer = setTimeout(refresh, askAfter);
    return () => clearTimeout(timer);
  }, [queue.holds, refresh]);
  const glass = (status.value?.approvals ?? []).filter((grant) => grant.kind === "glass");
  const suspended = status.value?.suspended ?? [];
  if (status.error && !status.isAsking)
    return <Problem error={new Error(`It is not known whether glass is broken or an agent suspended: ${status.error.message}`)} again={again} />;
  if (glass.length + suspended.length === 0) return null;
  return (
    <section className="alarms" aria-label="Alarms" role="region">
      <ul>
        {glass.map((grant) => (
          <Glass key={grant.id} grant={grant} me={me} again={again} />
        ))}
        {suspended.map((one) => (
          <Suspended key={one.agent} one={one} me={me} again={again} />
        ))}
      </ul>
    </section>
  );
}
