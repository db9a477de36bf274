import { type ReactNode, useState } from "react";

import { type Explanation, api } from "./api";
import { useAsked } from "./hooks";
import { Fact, Page, Problem, Shown, Time, Verdict } from "./parts";
import { Stranger } from "./text";

function File({ name, text }: { name: string; text: string }): ReactNode {
  return (
    <details className="file">
      <summary>
        <code>{name}</code>
        <small>{text.split("\n").length === 1 ? "1 line" : `${text.split("\n").length} lines`}</small>
      </summary>
      <pre tabIndex={0}>
        <code>
          <Stranger text={text} />
        </code>
      </pre>
    </details>
  );
}

export function PolicyPage(): ReactNode {
  const policy = useAsked("policy", api.policy);
  return (
    <Page name="Policy" title="Agents, targets and policies" aside={policy.value && <span className="chip is-quiet">revision {policy.value.revision}</span>}>
      <Shown of={policy}>
        {(loaded) => (
          <>
            {(loaded.not_loaded ?? []).length > 0 && (
              <div className="banner" role="alert">
                <b>What is on disk is not in force:</b>
                <ul>
                  {loaded.not_loaded?.map((mistake) => (
                    <li key={mistake}>
                      <Stranger text={mistake} />
                    </li>
                  ))}
                </ul>
              </div>
            )}
            <dl className="facts is-wide">
              <Fact name="Loaded">
                <Time at={loaded.loaded} />
              </Fact>
              <Fact name="Digest">
                <code>{loaded.digest.slice(0, 24)}</code>
              </Fact>
            </dl>
            <section aria-labelledby="agents-title">
              <h2 id="agents-title">Agents</h2>
              <ul className="names">
                {loaded.agents.map((name) => (
                  <li key={name}>{name}</li>
                ))}
              </ul>
            </section>
            <section aria-labelledby="targets-title">
              <h2 id="targets-title">Targets</h2>
              <div className="table" tabIndex={0} role="region" aria-labelledby="targets-title">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Name</th>
                      <th scope="col">Protocol</th>
                      <th scope="col">Addresses</th>
                      <th scope="col">Databases</th>
                      <th scope="col">TLS</th>
                      <th scope="col">Credential</th>
                    </tr>
                  </thead>
                  <tbody>
                    {loaded.targets.map((target) => (
                      <tr key={target.name}>
                        <th scope="row">{target.name}</th>
                        <td>{target.protocol}</td>
                        <td>
                          <code>{target.addresses.join(" ")}</code>
                        </td>
                        <td>{target.databases.join(", ") || "any"}</td>
                        <td>{target.tls}</td>
                        <td>{target.has_credential ? "given by assent" : "the agent’s own"}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            </section>
            <section aria-labelledby="files-title">
              <h2 id="files-title">Policies as they are in force</h2>
              {Object.entries(loaded.texts).map(([name, text]) => (
                <File key={name} name={name} text={text} />
              ))}
              <File name="built-in rules" text={loaded.builtin} />
            </section>
          </>
        )}
      </Shown>
    </Page>
  );
}

function Answer({ answer }: { answer: Explanation }): ReactNode {
  const words: Record<string, string> = { allow: "It would run.", hold: "It would wait for people.", deny: "It would be refused." };
  return (
    <section className={`answer is-${answer.verdict}`} aria-live="polite">
      <h2>
        <Verdict of={answer.verdict} /> {words[answer.verdict] ?? ""}
      </h2>
      <p>
        {answer.rules.length ? <>By {answer.rules.join(", ")}.</> : "No rule covers all of it, and what no rule covers is denied."}
        {answer.message && (
          <>
            {" "}
            The agent is told: “<Stranger text={answer.message} />”
          </>
        )}
      </p>
      <ul className="effects">
        {answer.effects.map((effect, index) => (
          <li key={index}>
            <span className={`operation is-${effect.operation}`}>{effect.operation}</span>
            <code>
              <Stranger text={effect.objects.map((object) => (typeof object === "string" ? object : JSON.stringify(object))).join(" ")} />
            </code>
            <Verdict of={effect.verdict} />
            <small>{effect.rules.join(", ") || "no rule"}</small>
          </li>
        ))}
      </ul>
      <details>
        <summary>All of it, in words</summary>
        <pre tabIndex={0}>
          <code>
            <Stranger text={answer.explanation} />
          </code>
        </pre>
      </details>
    </section>
  );
}

export function ExplainPage(): ReactNode {
  const policy = useAsked("policy", api.policy);
  const [answer, setAnswer] = useState<Explanation>();
  const [error, setError] = useState<Error>();
  const [isBusy, setBusy] = useState(false);
  const ask = async (form: HTMLFormElement) => {
    const given = new FormData(form);
    const member = (name: string) => String(given.get(name) ?? "");
    setBusy(true);
    setError(undefined);
    try {
      setAnswer(await api.explain({ agent: member("agent"), target: member("target"), sql: member("sql"), ...(member("database") && { database: member("database") }) }));
    } catch (problem) {
      setError(problem as Error);
      setAnswer(undefined);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Page name="Explain" title="Why would this be held?">
      <p className="lead">What the policy in force would say of a command. Nothing is run, and no database is asked; names without a schema count as in public.</p>
      <Shown of={policy}>
        {(loaded) => (
          <form
            className="explain"
            onSubmit={(event) => {
              event.preventDefault();
              void ask(event.currentTarget);
            }}
          >
            <label>
              Agent
              <select name="agent">
                {[...loaded.agents, "any"].map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            <label>
              Target
              <select name="target">
                {[...loaded.targets.map((target) => target.name), "any"].map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            <label>
              Database
              <input name="database" placeholder="any" autoComplete="off" spellCheck={false} />
            </label>
            <label className="is-whole">
              Command
              <textarea name="sql" rows={5} required spellCheck={false} placeholder="UPDATE orders SET status = 'returned' WHERE id = 7" />
            </label>
            <button type="submit" className="good" disabled={isBusy}>
              Explain
            </button>
          </form>
        )}
      </Shown>
      {error && <Problem error={error} />}
      {answer && <Answer answer={answer} />}
    </Page>
  );
}

const megabytes = (bytes: unknown) => (typeof bytes === "number" ? `${(bytes / 1048576).toFixed(1)} MiB` : "");
const list = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);

function Sentences({ title, of, tone }: { title: string; of: string[]; tone: string }): ReactNode {
  if (of.length === 0) return null;
  return (
    <section className={`sentences ${tone}`}>
      <h2>{title}</h2>
      <ul>
        {of.map((sentence) => (
          <li key={sentence}>
            <Stranger text={sentence} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface Channel {
  channel: string;
  is_failing: boolean;
  why: string;
  delivered: number;
  dropped: number;
}

export function LogPage(): ReactNode {
  const status = useAsked("status", api.status);
  return (
    <Page name="Log" title="The log, and this host">
      <Shown of={status}>
        {(answer) => {
          const records = (answer.records ?? {}) as Record<string, unknown>;
          const notices = (answer.notices ?? {}) as { is_wanted?: boolean; is_watched?: boolean; channels?: Channel[] };
          const isGood = records.is_available !== false;
          return (
            <>
              <section className={`log-state ${isGood ? "is-allow" : "is-deny"}`}>
                <h2>{isGood ? "Records are written" : "Records cannot be written: commands are denied"}</h2>
                {!isGood && <p>{String(records.why ?? "")}</p>}
                <dl className="facts is-wide">
                  <Fact name="Records">{Number(records.records ?? 0).toLocaleString()}</Fact>
                  <Fact name="Segments">{String(records.segments ?? "")}</Fact>
                  <Fact name="Size">{megabytes(records.size_bytes)}</Fact>
                  <Fact name="Sessions open">{String(answer.sessions ?? "")}</Fact>
                  <Fact name="Holds that wait">{String(answer.holds_waiting ?? "")}</Fact>
                  <Fact name="Daemon">
                    {String(answer.version ?? "")} since <Time at={String(answer.since ?? "")} />
                  </Fact>
                </dl>
                {Boolean(records.last_checkpoint) && (
                  <details>
                    <summary>The newest checkpoint, to be kept elsewhere</summary>
                    <pre tabIndex={0}>
                      <code>{typeof records.last_checkpoint === "string" ? records.last_checkpoint : JSON.stringify(records.last_checkpoint, null, 1)}</code>
                    </pre>
                  </details>
                )}
              </section>
              <Sentences title="Observed only: judged, recorded, and passed" of={list(answer.observe)} tone="is-hold" />
              <Sentences title="What this host lacks" of={list(answer.degradations)} tone="is-deny" />
              <Sentences title="What its settings accept" of={list(answer.accepted)} tone="is-quiet" />
              {notices.is_wanted && (
                <section className="sentences">
                  <h2>Notices</h2>
                  {!notices.is_watched && <p className="banner">Nobody takes notices: assent-notify does not run.</p>}
                  <ul>
                    {(notices.channels ?? []).map((channel) => (
                      <li key={channel.channel}>
                        <b>{channel.channel}</b> {channel.is_failing ? `fails: ${channel.why}` : `works; ${channel.delivered} delivered`}
                        {channel.dropped > 0 && `, ${channel.dropped} dropped`}
                      </li>
                    ))}
                  </ul>
                </section>
              )}
              <Sentences title="Governed" of={list(answer.governed)} tone="is-quiet" />
            </>
          );
        }}
      </Shown>
    </Page>
  );
}
