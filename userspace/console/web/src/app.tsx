import { type ReactNode, useCallback, useEffect, useState } from "react";

import { type Failure, type Hold, type Me, api, whenSignedOut } from "./api";
import { HoldPage } from "./hold";
import { go, useAsked, useKeys, usePlace, useQueue } from "./hooks";
import { Empty, Link, Page, Problem } from "./parts";
import { ExplainPage, LogPage, PolicyPage } from "./policy";
import { QueuePage } from "./queue";
import { SessionPage } from "./replay";
import { SearchPage, SessionsPage } from "./sessions";
import { Stranger } from "./text";
import { ThemeButton } from "./theme";

const places = [
  { to: "/", name: "Queue", icon: "M4 6h16M4 12h16M4 18h9" },
  { to: "/sessions", name: "Sessions", icon: "M5 5v14M10 8v8M15 6v12M20 10v4" },
  { to: "/search", name: "Search", icon: "M11 4a7 7 0 1 0 0 14a7 7 0 1 0 0-14M16 16l4.5 4.5" },
  { to: "/policy", name: "Policy", icon: "M6 3h9l4 4v14H6zM9 12h6M9 16h6" },
  { to: "/explain", name: "Explain", icon: "M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .5-1.5 1.2-1.5 2.3M12 18.5v.5" },
  { to: "/log", name: "Log", icon: "M4 7l8-4 8 4-8 4zM4 12l8 4 8-4M4 17l8 4 8-4" },
];

function Mark(): ReactNode {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M9 8v16M15 16.5l4 4 7-9" />
    </svg>
  );
}

function SignInPage({ place }: { place: string }): ReactNode {
  const providers = useAsked("providers", api.providers);
  const why: Record<string, string> = {
    expired: "That sign-in took too long, or began in another browser. Try again.",
    denied: "You were not signed in: the provider said no, or this host does not know you.",
    unavailable: "The identity provider does not answer.",
    daemon: "The provider knows you, but assentd of this host does not answer.",
  };
  const failed = new URLSearchParams(place.split("?")[1] ?? "").get("sign-in") ?? "";
  const back = failed ? "/" : place;
  return (
    <div className="sign-in">
      <main id="content">
        <Mark />
        <h1>assent</h1>
        <p>Nothing an agent does reaches production without it.</p>
        {failed && (
          <p className="banner" role="alert">
            {why[failed] ?? "You were not signed in."}
          </p>
        )}
        {providers.error && <Problem error={providers.error} again={providers.again} />}
        {(providers.value?.providers ?? []).map((provider) => (
          <a key={provider.number} className="button good" href={`/sign-in?${new URLSearchParams({ provider: String(provider.number), return: back })}`}>
            Sign in{(providers.value?.providers.length ?? 0) > 1 && ` with ${new URL(provider.issuer).host}`}
          </a>
        ))}
        {place.startsWith("/holds/") && <p className="none">Then you see {place.slice(7, 15)}.</p>}
      </main>
    </div>
  );
}

function Rail({ place, waiting, me, onSignOut }: { place: string; waiting: number; me: Me; onSignOut: () => void }): ReactNode {
  const isAt = (to: string) => (to === "/" ? place === "/" || place.startsWith("/holds") || place.startsWith("/?") : place.startsWith(to));
  return (
    <nav className="rail" aria-label="Console">
      <Link to="/" className="brand">
        <Mark />
        <span>assent</span>
      </Link>
      <ul>
        {places
          .filter((each) => me.may.view || each.to === "/")
          .map((each) => (
            <li key={each.to}>
              <Link to={each.to} aria-current={isAt(each.to) ? "page" : undefined}>
                <svg viewBox="0 0 24 24" aria-hidden="true">
                  <path d={each.icon} />
                </svg>
                <span>{each.name}</span>
                {each.to === "/" && waiting > 0 && (
                  <b className="badge" aria-label={`${waiting} waiting`}>
                    {waiting.toLocaleString()}
                  </b>
                )}
              </Link>
            </li>
          ))}
      </ul>
      <div className="who">
        <p title={me.issuer}>
          <Stranger text={me.name} />
          <small>{me.may.decide ? "may answer" : me.may.view ? "may look" : me.may.review ? "may answer what names you" : "may nothing here"}</small>
        </p>
        <div className="who-buttons">
          <ThemeButton />
          <button type="button" className="quiet" onClick={onSignOut}>
            Sign out
          </button>
        </div>
      </div>
    </nav>
  );
}

function Help({ onClose }: { onClose: () => void }): ReactNode {
  return (
    <dialog className="ask" aria-labelledby="help-title" ref={(element) => element && !element.open && element.showModal()} onClose={onClose}>
      <h2 id="help-title">Keys</h2>
      <dl className="key-list">
        {[
          ["j, k", "next, previous"],
          ["⏎", "open what is marked"],
          ["a, d", "on a hold: ask to approve, to deny"],
          ["Ctrl ⏎", "in that question: do it"],
          ["Esc", "leave a question without an answer"],
          ["u", "back to the queue"],
          ["p", "in a session: play, pause"],
          ["/", "search"],
          ["?", "this"],
        ].map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p className="none">No single key answers a hold.</p>
      <form method="dialog">
        <button type="submit" className="quiet">
          Close
        </button>
      </form>
    </dialog>
  );
}

function SignedIn({ me, onSignOut }: { me: Me; onSignOut: () => void }): ReactNode {
  const place = usePlace();
  const [news, setNews] = useState("");
  const [showsHelp, setShowsHelp] = useState(false);
  const tell = useCallback((hold: Hold) => setNews(`${hold.agent} waits: ${hold.id}`), []);
  const queue = useQueue(me.may.view || me.may.review, tell);
  useKeys({ "/": () => me.may.view && go("/search"), "?": () => setShowsHelp(true) });
  const path = place.split("?")[0] ?? "/";
  const id = path.split("/")[2] ?? "";
  let page: ReactNode;
  const isOfReviewers = path === "/" || path.startsWith("/holds/");
  if (!me.may.view && !(me.may.review && isOfReviewers))
    page = (
      <Page name="assent" title="Signed in">
        <Empty title="There is nothing here for you">
          This host’s settings name who may look at this (`view`) and who administers it (`decide`), and you are in neither. You are {me.name}
          {me.groups.length > 0 && `, in ${me.groups.join(", ")}`}.
        </Empty>
      </Page>
    );
  else if (path === "/") page = <QueuePage queue={queue} me={me} />;
  else if (path.startsWith("/holds/") && id) page = <HoldPage key={id} id={id} me={me} queue={queue} />;
  else if (path === "/sessions") page = <SessionsPage place={place} />;
  else if (path.startsWith("/sessions/") && id) page = <SessionPage key={id} id={id} me={me} />;
  else if (path === "/search") page = <SearchPage place={place} />;
  else if (path === "/policy") page = <PolicyPage />;
  else if (path === "/explain") page = <ExplainPage />;
  else if (path === "/log") page = <LogPage />;
  else
    page = (
      <Page name="Not here" title="Not here">
        <Empty title="There is no such page">
          <Link to="/">Go to the queue</Link>
        </Empty>
      </Page>
    );
  return (
    <div className="frame">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <Rail place={place} waiting={queue.holds.length} me={me} onSignOut={onSignOut} />
      {page}
      <p className="visually-hidden" role="status">
        {news}
      </p>
      {showsHelp && <Help onClose={() => setShowsHelp(false)} />}
    </div>
  );
}

export function App(): ReactNode {
  const place = usePlace();
  const [me, setMe] = useState<Me | null>();
  const [error, setError] = useState<Error>();
  const ask = useCallback(() => {
    setError(undefined);
    api
      .me()
      .then(setMe)
      .catch((problem: Failure) => (problem.status === 401 ? setMe(null) : setError(problem)));
  }, []);
  useEffect(() => {
    whenSignedOut(() => setMe(null));
    ask();
  }, [ask]);
  const signOut = () => {
    void api.signOut().finally(() => {
      go("/", "replace");
      setMe(null);
    });
  };
  if (error && !me)
    return (
      <div className="sign-in">
        <main id="content">
          <Problem error={error} again={ask} />
        </main>
      </div>
    );
  if (me === undefined) return null;
  if (me === null) return <SignInPage place={place} />;
  return <SignedIn me={me} onSignOut={signOut} />;
}
