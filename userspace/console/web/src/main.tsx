import "@fontsource-variable/instrument-sans";
import "@fontsource-variable/jetbrains-mono";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import "./style.css";
import { applyTheme } from "./theme";

applyTheme();
const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
