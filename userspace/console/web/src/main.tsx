import "@fontsource-variable/instrument-sans";
import "@fontsource-variable/jetbrains-mono";
import { Component, type ReactNode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import "./style.css";
import { applyTheme } from "./theme";

// A mistake of ours shows as one, and not as an empty page that looks like an empty queue.
class Whole extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  render(): ReactNode {
    if (!this.state.error) return this.props.children;
    return (
      <div className="sign-in">
        <main id="content">
          <h1>This page failed</h1>
          <p className="problem" role="alert">
            {this.state.error.message}
          </p>
          <a className="button quiet" href="/">
            Go to the queue
          </a>
        </main>
      </div>
    );
  }
}

applyTheme();
const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <Whole>
      <App />
    </Whole>,
  );
