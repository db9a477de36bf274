// One session: a player over its records, with a timeline; while it is open new records come by themselves.
import { Fragment, type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { type LogRecord, type Me, api } from "./api";
import { useAsked, useFollowed, useKeys } from "./hooks";
import { AskButton, Fact, Page, Shown, Time, Verdict } from "./parts";
import { Sql, Stranger } from "./text";

const text = (record: LogRecord, member: string) => (typeof record[member] === "string" ? (record[member] as string) : "");
const count = (record: LogRecord, member: string) => (typeof record[member] === "number" ? (record[member] as number) : 0);
const texts = (record: LogRecord, member: string) => (Array.isArray(record[member]) ? (record[member] as unknown[]).map(String) : []);
const part = (record: LogRecord, member: string) => (record[member] ?? {}) as Record<string, unknown>;
const momentOf = (record: LogRecord) => (record.time ? Date.parse(record.time) : Number.NaN);

function toneOf(record: LogRecord): string {
  if (record.type === "command") return `is-${text(record, "decision") || "deny"}`;
  if (record.type.startsWith("hold.")) return "is-hold";
  if (record.type === "outcome" && (record.error || record.code)) return "is-deny";
  return "is-quiet";
}

function Rows({ of }: { of: Record<string, unknown> }): ReactNode {
  const columns = Array.isArray(of.columns) ? (of.columns as string[]) : [];
  const rows = Array.isArray(of.rows) ? (of.rows as (string | null)[][]) : [];
  if (rows.length === 0) return null;
  return (
    <div className="result" tabIndex={0} role="region" aria-label="Rows of the answer">
      <table>
        <thead>
          <tr>
            {(columns.length ? columns : (rows[0] ?? []).map((_, index) => String(index + 1))).map((name, index) => (
              <th key={index} scope="col">
                <Stranger text={String(name)} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, 50).map((row, index) => (
            <tr key={index}>
              {row.map((field, at) => (
                <td key={at}>{field === null ? <i>null</i> : <Stranger text={field} />}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {(rows.length > 50 || of.is_cut === true) && <p className="keys">… and more rows</p>}
    </div>
  );
}

function CommandRecord({ record }: { record: LogRecord }): ReactNode {
  const bodies = part(record, "texts");
  const effects = (Array.isArray(record.effects) ? record.effects : []) as { operation?: string; objects?: unknown[] }[];
  return (
    <>
      {typeof bodies.text === "string" && bodies.text && (
        <pre className="said">
          <code>
            <Sql text={bodies.text} />
          </code>
        </pre>
      )}
      {typeof bodies.parameters === "string" && bodies.parameters && (
        <pre className="said is-values">
          <code>
            <Stranger text={bodies.parameters} />
          </code>
        </pre>
      )}
      <p className="record-note">
        {texts(record, "rules").join(", ") || "no rule covers it"}
        {effects.length > 0 &&
          ` · ${effects.map((effect) => [effect.operation, ...(effect.objects ?? []).map((object) => (typeof object === "string" ? object : String((object as { name?: string }).name ?? "")))].join(" ")).join(", ")}`}
        {texts(record, "masks").length > 0 && ` · masks ${texts(record, "masks").join(", ")}`}
      </p>
      {text(record, "message") && (
        <p className="record-note">
          told: <Stranger text={text(record, "message")} />
        </p>
      )}
    </>
  );
}

function Parts({ of }: { of: string[] }): ReactNode {
  return of.filter(Boolean).map((each, index) => (
    <Fragment key={index}>
      {index > 0 && " · "}
      <Stranger text={each} />
    </Fragment>
  ));
}

function Said({ parts }: { parts: string[] }): ReactNode {
  return (
    <p className="record-note">
      <Parts of={parts} />
    </p>
  );
}

function RecordBody({ record }: { record: LogRecord }): ReactNode {
  if (record.type === "command") return <CommandRecord record={record} />;
  if (record.type === "outcome")
    return (
      <>
        <p className="record-note">
          <Parts of={[text(record, "tag"), text(record, "code"), text(record, "error")]} />
          {!record.tag && !record.code && !record.error && "done"}
          {count(record, "rows") > 0 && ` · ${count(record, "rows")} rows`}
          {count(record, "masked_fields") > 0 && ` · ${count(record, "masked_fields")} fields masked`}
          {record.duration_us !== undefined && ` · ${(count(record, "duration_us") / 1000).toFixed(1)} ms`}
        </p>
        <Rows of={part(record, "result")} />
      </>
    );
  return <Said parts={["hold", "state", "event", "detail", "person", "why", "reason", "message"].map((member) => text(record, member))} />;
}

const titles: Record<string, string> = {
  "flow.opened": "opened",
  "flow.closed": "closed",
  "flow.event": "event",
  "hold.opened": "held",
  "hold.decided": "answered",
  "hold.ended": "hold over",
  outcome: "answer",
  cut: "cut off",
};

function RecordView({ record, from, isNow }: { record: LogRecord; from: number; isNow: boolean }): ReactNode {
  const at = momentOf(record);
  return (
    <li className={`record ${toneOf(record)}`} aria-current={isNow ? "step" : undefined} data-type={record.type}>
      <span className="record-time">{Number.isNaN(at) ? "" : `+${((at - from) / 1000).toFixed(3)}s`}</span>
      <div>
        <p className="record-title">
          <b>{record.type === "command" ? `#${count(record, "command")} ${text(record, "kind")}` : (titles[record.type] ?? record.type)}</b>
          {record.type === "command" && <Verdict of={text(record, "decision") || "deny"} />}
        </p>
        <RecordBody record={record} />
      </div>
    </li>
  );
}

function Timeline({ records, at, onMove }: { records: LogRecord[]; at: number; onMove: (index: number) => void }): ReactNode {
  const from = momentOf(records[0] as LogRecord);
  const to = momentOf(records[records.length - 1] as LogRecord);
  const span = Math.max(1, to - from);
  // Records that fall together stand beside each other as far as there is room.
  const places = records.map((record, index) => {
    const time = Number.isNaN(momentOf(record)) ? 0 : ((momentOf(record) - from) / span) * 1000;
    return time * 0.6 + (index / Math.max(1, records.length - 1)) * 400;
  });
  return (
    <div className="timeline">
      <svg viewBox="-10 0 1020 44" preserveAspectRatio="none" aria-hidden="true">
        <line className="timeline-line" x1="0" x2="1000" y1="22" y2="22" />
        <line className="timeline-done" x1="0" x2={places[at] ?? 0} y1="22" y2="22" />
        {records.map((record, index) => (
          <rect
            key={index}
            className={`tick ${toneOf(record)} ${index <= at ? "is-done" : ""}`}
            x={(places[index] ?? 0) - 2.5}
            y={record.type === "command" ? 6 : 14}
            width="5"
            height={record.type === "command" ? 32 : 16}
            rx="2.5"
          />
        ))}
      </svg>
      <input
        type="range"
        aria-label="Place in the session"
        aria-valuetext={`record ${at + 1} of ${records.length}`}
        min={0}
        max={Math.max(0, records.length - 1)}
        value={at}
        onChange={(event) => onMove(Number(event.target.value))}
      />
    </div>
  );
}

function Player({ first, isOpen }: { first: LogRecord[]; isOpen: boolean }): ReactNode {
  const [at, setAt] = useState(first.length - 1);
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const list = useRef<HTMLOListElement>(null);
  const length = useRef(first.length);
  // While it is open, new records are shown as they come, unless somebody looks at an earlier one.
  useEffect(() => {
    if (at === length.current - 1) setAt(first.length - 1);
    length.current = first.length;
  }, [first.length, at]);
  useEffect(() => {
    if (!isPlaying) return undefined;
    if (at >= first.length - 1) {
      setPlaying(false);
      return undefined;
    }
    const gap = momentOf(first[at + 1] as LogRecord) - momentOf(first[at] as LogRecord);
    // Long waits are shortened: nobody wants to sit through them.
    const timer = setTimeout(() => setAt(at + 1), Math.min(3000, Math.max(120, Number.isNaN(gap) ? 0 : gap)) / speed);
    return () => clearTimeout(timer);
  }, [isPlaying, at, speed, first]);
  const isMoved = useRef(false);
  useEffect(() => {
    if (isMoved.current) list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    isMoved.current = true; // where it opens it begins at the top
  }, [at]);
  const toggle = () => {
    if (!isPlaying && at >= first.length - 1) setAt(0);
    setPlaying(!isPlaying);
  };
  useKeys({
    p: toggle,
    j: () => setAt(Math.min(first.length - 1, at + 1)),
    k: () => setAt(Math.max(0, at - 1)),
  });
  const from = momentOf(first[0] as LogRecord);
  return (
    <section aria-label="Replay">
      <div className="player">
        <button type="button" className="play" onClick={toggle} aria-keyshortcuts="p">
          {isPlaying ? "Pause" : "Play"}
        </button>
        <Timeline
          records={first}
          at={at}
          onMove={(index) => {
            setPlaying(false);
            setAt(index);
          }}
        />
        <label className="speed">
          <span className="visually-hidden">Speed</span>
          <select value={speed} onChange={(event) => setSpeed(Number(event.target.value))}>
            <option value={1}>1×</option>
            <option value={4}>4×</option>
            <option value={16}>16×</option>
          </select>
        </label>
      </div>
      <p className="keys is-keyboard">
        <kbd>p</kbd> plays, <kbd>j</kbd> <kbd>k</kbd> step{isOpen && "; the session is open, and new records come by themselves"}
      </p>
      <ol className="records" ref={list}>
        {first.slice(0, at + 1).map((record, index) => (
          <RecordView key={record.seq ?? `x${index}`} record={record} from={from} isNow={index === at} />
        ))}
      </ol>
    </section>
  );
}

function Opened({ record }: { record: LogRecord | undefined }): ReactNode {
  if (!record) return null;
  const agent = part(record, "agent");
  return (
    <dl className="facts is-wide">
      <Fact name="Agent">
        <Stranger text={String(agent.name ?? "")} />
        <small>
          {" "}
          pid {String(agent.pid ?? "")}, uid {String(agent.uid ?? "")}
        </small>
      </Fact>
      <Fact name="Program">
        <code>
          <Stranger text={String(agent.exe ?? "")} />
        </code>
      </Fact>
      {Boolean(agent.purpose) && (
        <Fact name="Says it is for">
          <Stranger text={String(agent.purpose)} />
        </Fact>
      )}
      <Fact name="Target">
        <Stranger text={text(record, "target") || "unlisted"} />
        <small>
          {" "}
          <Stranger text={text(record, "asked_for")} />
        </small>
      </Fact>
      <Fact name="Opened">
        <Time at={record.time} />
      </Fact>
    </dl>
  );
}

export function SessionPage({ id, me }: { id: string; me: Me }): ReactNode {
  const asked = useAsked(id, () => api.replay(id));
  const [more, setMore] = useState<LogRecord[]>([]);
  const records = useMemo(() => {
    const known = new Map<string, LogRecord>();
    for (const record of [...(asked.value?.events ?? []), ...more]) known.set(String(record.seq ?? `${record.type} ${record.time}`), record);
    return [...known.values()];
  }, [asked.value, more]);
  const isOver = records.some((record) => record.type === "flow.closed" || record.type === "cut" || record.type === "flow.refused");
  const isOpen = records.length > 0 && !isOver;
  const take = useCallback((record: LogRecord) => setMore((before) => [...before, record].slice(-5000)), []);
  const connection = useFollowed(id, isOpen, take);
  return (
    <Page
      name={id}
      title={<span className="mono">{id}</span>}
      aside={
        asked.value &&
        (isOpen ? (
          <>
            <span className={`chip ${connection === "open" ? "is-live" : "is-quiet"}`}>{connection === "open" ? "live" : "open"}</span>
            {me.may.end && (
              <AskButton
                label="End it"
                title="End this session?"
                action="End it"
                reason="Reason, told to the agent"
                note={<p>The connection is closed on both sides; what was not committed is rolled back by the database.</p>}
                onDo={(reason) => api.end(id, reason)}
              />
            )}
          </>
        ) : (
          <span className="chip is-quiet">over</span>
        ))
      }
    >
      <Shown of={asked}>
        {(answer) => (
          <>
            <Opened record={records.find((record) => record.type === "flow.opened")} />
            {answer.is_cut && <p className="banner">Only the first {answer.events.length} records are shown; `assent replay` has them all.</p>}
            {records.length > 0 && <Player first={records} isOpen={isOpen} />}
          </>
        )}
      </Shown>
    </Page>
  );
}
